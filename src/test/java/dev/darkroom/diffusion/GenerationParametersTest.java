package dev.darkroom.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenerationParametersTest {

    @ParameterizedTest
    @CsvSource({
        "0, 7.5, 1, steps, it must be from 1 to 150",
        "151, 7.5, 1, steps, it must be from 1 to 150",
        "20, NaN, 1, guidance.scale, it must be a number from 0",
        "20, Infinity, 1, guidance.scale, it must be a number from 0",
        "20, -1, 1, guidance.scale, it must be a number from 0",
        "20, 7.5, 1.01, guidance.cutoff, it must be from 0 to 1",
        "20, 7.5, NaN, guidance.cutoff, it must be from 0 to 1"
    })
    void whatNoModelOffersCannotBeMade(int steps, double scale, double cutoff, String field, String sentence) {
        UnsupportedParametersException refusal = catchThrowableOfType(UnsupportedParametersException.class, () ->
                new GenerationParameters(128, 128, steps, SchedulerName.DPMPP_2M, scale, cutoff, DecoderName.TINY, true));

        assertThat(refusal).hasMessageContaining(sentence);
        assertThat(refusal.field()).isEqualTo(field);
    }
}
