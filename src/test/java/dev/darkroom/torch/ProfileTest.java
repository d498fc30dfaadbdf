package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.Profile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProfileTest {

    @ParameterizedTest
    @CsvSource({
        "baseline, euler-ancestral, 30, full, 1, false",
        "compiled, euler-ancestral, 30, full, 1, true",
        "compiled-tiny, euler-ancestral, 30, tiny, 1, true",
        "euler-30, euler-ancestral, 30, full, 1, true",
        "euler-20, euler-ancestral, 20, full, 1, true",
        "dpm-20, dpmpp-2m, 20, full, 1, true",
        "euler-20-cutoff, euler-ancestral, 20, full, 0.4, true",
        "dpm-20-cutoff, dpmpp-2m, 20, full, 0.4, true",
        "final, dpmpp-2m, 20, tiny, 0.4, true"
    })
    void isTheStudys(String label, String scheduler, int steps, String decoder, double cutoff, boolean compiled) {
        GenerationParameters parameters =
                Profile.labelled(label).orElseThrow().parameters(Mini.pipeline().model());

        assertThat(parameters.scheduler().label()).isEqualTo(scheduler);
        assertThat(parameters.steps()).isEqualTo(steps);
        assertThat(parameters.decoder().label()).isEqualTo(decoder);
        assertThat(parameters.guidanceScale()).isEqualTo(7.5);
        assertThat(parameters.guidanceCutoff()).isEqualTo(cutoff);
        assertThat(parameters.compiled()).isEqualTo(compiled);
        assertThat(parameters.width()).isEqualTo(128);
        assertThat(parameters.height()).isEqualTo(128);
    }

    @Test
    void thereAreNine() {
        assertThat(Profile.labels()).isEqualTo("baseline, compiled, compiled-tiny, euler-30, euler-20, dpm-20, "
                + "euler-20-cutoff, dpm-20-cutoff, final");
        assertThat(Profile.labelled("fastest")).isEmpty();
    }
}
