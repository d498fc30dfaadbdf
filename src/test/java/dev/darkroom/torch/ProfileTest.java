package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.Profile;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProfileTest {

    private static final ModelDescription DISTILLED = new ModelDescription("sd15", "", "cpu", "PyTorch 2.7.1",
            List.of(new ImageSize(128, 128)), List.of(1), List.of(77), true, List.of(), Optional.empty());

    @ParameterizedTest
    @CsvSource({
        "baseline, euler-ancestral, 30, full, 7.5, 1, false, 30",
        "compiled, euler-ancestral, 30, full, 7.5, 1, true, 30",
        "compiled-tiny, euler-ancestral, 30, tiny, 7.5, 1, true, 30",
        "euler-30, euler-ancestral, 30, full, 7.5, 1, true, 30",
        "euler-20, euler-ancestral, 20, full, 7.5, 1, true, 20",
        "dpm-20, dpmpp-2m, 20, full, 7.5, 1, true, 20",
        "euler-20-cutoff, euler-ancestral, 20, full, 7.5, 0.4, true, 9",
        "dpm-20-cutoff, dpmpp-2m, 20, full, 7.5, 0.4, true, 9",
        "final, dpmpp-2m, 20, tiny, 7.5, 0.4, true, 9",
        "fast, lcm, 4, tiny, 1, 1, true, 0",
        "fast-8, lcm, 8, tiny, 1, 1, true, 0"
    })
    void isWhatTheReadmeSays(String label, String scheduler, int steps, String decoder, double scale, double cutoff,
            boolean compiled, int guidedSteps) {
        GenerationParameters parameters =
                Profile.labelled(label).orElseThrow().parameters(DISTILLED);

        assertThat(parameters.scheduler().label()).isEqualTo(scheduler);
        assertThat(parameters.steps()).isEqualTo(steps);
        assertThat(parameters.decoder().label()).isEqualTo(decoder);
        assertThat(parameters.guidanceScale()).isEqualTo(scale);
        assertThat(parameters.guidanceCutoff()).isEqualTo(cutoff);
        assertThat(parameters.compiled()).isEqualTo(compiled);
        assertThat(parameters.guidedSteps()).isEqualTo(guidedSteps);
        assertThat(parameters.width()).isEqualTo(128);
        assertThat(parameters.height()).isEqualTo(128);
    }

    @Test
    void thereAreNineOfTheStudyAndTwoOfFewSteps() {
        assertThat(Profile.labels()).isEqualTo("baseline, compiled, compiled-tiny, euler-30, euler-20, dpm-20, "
                + "euler-20-cutoff, dpm-20-cutoff, final, fast, fast-8");
        assertThat(Profile.labelled("fastest")).isEmpty();
    }
}
