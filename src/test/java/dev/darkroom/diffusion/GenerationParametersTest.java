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

    private static String refusalOf(String... adapters) {
        UnsupportedParametersException refusal = catchThrowableOfType(UnsupportedParametersException.class, () ->
                new GenerationParameters(128, 128, 20, SchedulerName.DPMPP_2M, 7.5, 1, DecoderName.TINY, true,
                        Stream.of(adapters).map(name -> new LoraAdapter(name, 1)).toList()));
        assertThat(refusal.field()).isEqualTo("adapters");
        return refusal.getMessage();
    }
}
