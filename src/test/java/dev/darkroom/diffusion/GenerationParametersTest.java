package dev.darkroom.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
}
