package dev.darkroom.tools.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.SchedulerName;
import org.junit.jupiter.api.Test;

class ArithmeticCeilingTest {

    private final ArithmeticCeiling ceiling = new ArithmeticCeiling(100);

    @Test
    void anImageIsItsUnetForwardsItsPromptAndItsDecoder() {
        // 29 forwards: 23.32 TFLOP, the prompt 0.01, the tiny decoder 0.14
        assertThat(ceiling.shareOfImage(parameters(20, 0.4, DecoderName.TINY), 1)).isCloseTo(0.2347, within(1e-4));
        // 60 forwards: 48.24 TFLOP, the prompt 0.01, the full decoder 2.51
        assertThat(ceiling.shareOfImage(parameters(30, 1, DecoderName.FULL), 2)).isCloseTo(0.2538, within(1e-4));
    }

    @Test
    void aGuidedStepRunsTheUnetTwiceAnImage() {
        assertThat(ceiling.shareOfStep(4, false, 0.05)).isCloseTo(0.6432, within(1e-9));
        assertThat(ceiling.shareOfStep(4, true, 0.1)).isCloseTo(0.6432, within(1e-9));
    }

    private static GenerationParameters parameters(int steps, double cutoff, DecoderName decoder) {
        return new GenerationParameters(512, 512, steps, SchedulerName.DPMPP_2M, 7.5, cutoff, decoder, true);
    }
}
