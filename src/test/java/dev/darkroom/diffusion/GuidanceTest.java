package dev.darkroom.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GuidanceTest {

    @ParameterizedTest(name = "scale {0}, cutoff {1}, {2} steps: {3} guided, {4} forwards")
    @CsvSource({
        // the study's: at the end of step 8, counted from 0, the unconditional branch is dropped
        "7.5, 0.4, 20, 9, 29",
        "7.5, 0.4, 30, 13, 43",
        "7.5, 0.4, 1, 1, 2",
        "7.5, 0, 20, 1, 21",
        // 1 never drops it
        "7.5, 1, 20, 20, 40",
        "7.5, 1, 1, 1, 2",
        // 0.29 * 100 is a little less than 29 in double precision, in Python as in Java
        "7.5, 0.29, 100, 29, 129",
        // diffusers guides above a scale of 1 only
        "1, 1, 20, 0, 20",
        "0, 0.4, 20, 0, 20",
        "1.01, 1, 20, 20, 40"
    })
    void guidesTheFirstSteps(double scale, double cutoff, int steps, int guided, int forwards) {
        Guidance guidance = Guidance.of(scale, cutoff, steps);

        assertThat(guidance.guidedSteps()).isEqualTo(guided);
        assertThat(guidance.guides(guided)).isFalse();
        assertThat(guided == 0 || guidance.guides(guided - 1)).isTrue();
        assertThat(steps + guidance.guidedSteps()).isEqualTo(forwards);
    }
}
