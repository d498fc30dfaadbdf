package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.Guidance;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.Profile;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Same seed, same image as diffusers: every profile, end to end, alone and inside a batch. */
class GoldenImagesTest {

    private static final double LEAST_PSNR = 50;

    @ParameterizedTest
    @ValueSource(strings = {"baseline", "final", "fast"})
    void oneImageAlone(String label) {
        Profile profile = Profile.labelled(label).orElseThrow();
        assertGolden(profile, goldens(profile).limit(1).toList());
    }

    @ParameterizedTest
    @MethodSource("differentParameters")
    void aBatchOfDifferentPromptsAndSeeds(Profile profile) {
        assertGolden(profile, goldens(profile).toList());
    }

    /** Profiles that differ in what is compiled have the same image, and are drawn once. */
    static List<Profile> differentParameters() {
        Map<GenerationParameters, Profile> different = new LinkedHashMap<>();
        Profile.all().forEach(profile -> different.putIfAbsent(uncompiled(profile), profile));
        return List.copyOf(different.values());
    }

    @Test
    void profilesHaveTheSameImageWhereTheirParametersAreTheSame() {
        for (Profile one : Profile.all()) {
            for (Profile other : Profile.all()) {
                assertThat(files(one).equals(files(other))).as("%s, %s", one.label(), other.label())
                        .isEqualTo(uncompiled(one).equals(uncompiled(other)));
            }
        }
    }

    private static GenerationParameters uncompiled(Profile profile) {
        GenerationParameters parameters = profile.parameters(Mini.pipeline().model());
        return parameters(parameters.width(), parameters, false);
    }

    private static GenerationParameters parameters(int size, GenerationParameters other, boolean compiled) {
        return new GenerationParameters(size, size, other.steps(), other.scheduler(), other.guidanceScale(),
                other.guidanceCutoff(), other.decoder(), compiled, other.adapters());
    }

    private static List<String> files(Profile profile) {
        return goldens(profile).map(golden -> golden.get("file").asText()).toList();
    }

    private void assertGolden(Profile profile, List<JsonNode> goldens) {
        List<ImagePrompt> prompts = goldens.stream()
                .map(golden -> new ImagePrompt(golden.get("prompt").asText(), golden.get("negativePrompt").asText(),
                        golden.get("seed").asLong()))
                .toList();
        DiffusionPipeline pipeline = Mini.pipeline();
        GenerationParameters ofProfile = profile.parameters(pipeline.model());
        GenerationParameters parameters = parameters(goldens.get(0).get("size").asInt(), ofProfile, ofProfile.compiled());
        List<Integer> steps = new ArrayList<>();

        GenerationResult result = pipeline.generate(parameters, prompts, (step, total) -> steps.add(step));

        assertThat(result.batchSize()).isEqualTo(prompts.size());
        assertThat(result.compiled()).as("compiled packages on a CPU").isFalse();
        assertThat(steps).hasSize(parameters.steps()).isSorted();
        for (int i = 0; i < prompts.size(); i++) {
            JsonNode golden = goldens.get(i);
            Guidance guidance =
                    Guidance.of(parameters.guidanceScale(), parameters.guidanceCutoff(), parameters.steps());
            assertThat(guidance.guidedSteps()).isEqualTo(golden.get("guidedSteps").asInt());
            double psnr = Golden.psnr(result.images().get(i).rgb(), Golden.rgb(golden.get("file").asText()));
            assertThat(psnr).as("PSNR of %s image %d of %d", profile.label(), i, prompts.size())
                    .isGreaterThanOrEqualTo(LEAST_PSNR);
            assertThat(result.images().get(i).seed()).isEqualTo(prompts.get(i).seed());
        }
    }

    private static Stream<JsonNode> goldens(Profile profile) {
        return Golden.cases("images.json").filter(golden -> golden.get("profile").asText().equals(profile.label()));
    }
}
