package dev.darkroom.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GenerationParametersTest {

    @ParameterizedTest
    @CsvSource({
        "0, DPMPP_2M, 7.5, 1, steps, it must be from 1 to 150",
        "151, DPMPP_2M, 7.5, 1, steps, it must be from 1 to 150",
        "51, LCM, 1, 1, steps, with the scheduler lcm it must be from 1 to 50",
        "20, DPMPP_2M, NaN, 1, guidance.scale, it must be a number from 0",
        "20, DPMPP_2M, Infinity, 1, guidance.scale, it must be a number from 0",
        "20, DPMPP_2M, -1, 1, guidance.scale, it must be a number from 0",
        "20, DPMPP_2M, 7.5, 1.01, guidance.cutoff, it must be from 0 to 1",
        "20, DPMPP_2M, 7.5, NaN, guidance.cutoff, it must be from 0 to 1"
    })
    void whatNoModelOffersCannotBeMade(
            int steps, SchedulerName scheduler, double scale, double cutoff, String field, String sentence) {
        UnsupportedParametersException refusal = catchThrowableOfType(UnsupportedParametersException.class, () ->
                new GenerationParameters(128, 128, steps, scheduler, scale, cutoff, DecoderName.TINY, true));

        assertThat(refusal).hasMessageContaining(sentence);
        assertThat(refusal.field()).isEqualTo(field);
    }

    @ParameterizedTest
    @ValueSource(doubles = {4.01, -4.01, Double.NaN, Double.POSITIVE_INFINITY})
    void anAdapterHasNoScaleBeyondFour(double scale) {
        UnsupportedParametersException refusal =
                catchThrowableOfType(UnsupportedParametersException.class, () -> new LoraAdapter("ink", scale));

        assertThat(refusal).hasMessageContaining("it must be from -4.0 to 4.0");
        assertThat(refusal.field()).isEqualTo("adapters");
    }

    @Test
    void moreThanThreeAdaptersOrOneTwiceCannotBeAsked() {
        assertThat(refusalOf("a", "b", "c", "d"))
                .isEqualTo("There are 4 adapters, a, b, c, d, those of the profile among them; at most 3 may be used at once.");
        assertThat(refusalOf("ink", "wash", "ink")).isEqualTo("An adapter is named twice: ink, ink, wash.");
    }

    @ParameterizedTest
    @CsvSource({
        "20, 0, image.strength is 0.0; it must be above 0 and at most 1.",
        "20, 1.01, image.strength is 1.01; it must be above 0 and at most 1.",
        "20, NaN, image.strength is NaN; it must be above 0 and at most 1.",
        "4, 0.2, 'image.strength is 0.2 and steps is 4, of which not one step would run; their product must be at least 1.'"
    })
    void aStrengthThatLeavesNoStepCannotBeAsked(int steps, double strength, String sentence) {
        UnsupportedParametersException refusal = catchThrowableOfType(UnsupportedParametersException.class, () ->
                new GenerationParameters(128, 128, steps, SchedulerName.DPMPP_2M, 7.5, 0.4, DecoderName.TINY, true)
                        .startingFrom(new ImageToImage(strength, false)));

        assertThat(refusal).hasMessage(sentence);
        assertThat(refusal.field()).isEqualTo("image.strength");
    }

    @Test
    void ofImagesThatStartFromPicturesTheLastStepsRunAndTheFirstOfThoseAreGuided() {
        GenerationParameters whole = new GenerationParameters(
                128, 128, 20, SchedulerName.DPMPP_2M, 7.5, 0.4, DecoderName.TINY, true);
        GenerationParameters half = whole.startingFrom(new ImageToImage(0.5, false));

        assertThat(whole.stepsToRun()).isEqualTo(20);
        assertThat(whole.guidedSteps()).isEqualTo(9);
        assertThat(half.stepsToRun()).isEqualTo(10);
        assertThat(half.guidedSteps()).isEqualTo(5);
    }

    private static String refusalOf(String... adapters) {
        UnsupportedParametersException refusal = catchThrowableOfType(UnsupportedParametersException.class, () ->
                new GenerationParameters(128, 128, 20, SchedulerName.DPMPP_2M, 7.5, 1, DecoderName.TINY, true,
                        Stream.of(adapters).map(name -> new LoraAdapter(name, 1)).toList()));
        assertThat(refusal.field()).isEqualTo("adapters");
        return refusal.getMessage();
    }
}
