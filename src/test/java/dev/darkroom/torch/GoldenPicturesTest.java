package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ImageToImage;
import dev.darkroom.diffusion.Labelled;
import dev.darkroom.diffusion.PromptSyntax;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.SourceImage;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.diffusion.UnsupportedParametersException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Same picture, same seed, same image as diffusers' image-to-image and inpainting pipelines, alone and inside a batch. */
class GoldenPicturesTest {

    private static final Path BUNDLE = Path.of("src/test/resources/golden/pictures/bundle");
    private static final double LEAST_PSNR = 50;

    private static DiffusionPipeline pipeline;

    @BeforeAll
    static void load() {
        pipeline = DiffusionPipeline.load(BUNDLE, DeviceSelection.cpu());
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    @ParameterizedTest
    @MethodSource("settings")
    void oneImageAlone(List<JsonNode> goldens) {
        assertGolden(goldens.subList(0, 1));
    }

    @ParameterizedTest
    @MethodSource("settings")
    void aBatchOfDifferentPictures(List<JsonNode> goldens) {
        assertThat(goldens).hasSizeGreaterThan(1);
        assertGolden(goldens);
    }

    /** Of nine places for images, the last batch has one. */
    @Test
    void whatIsMoreThanABatchTakesItsPicturesAlong() {
        JsonNode golden = goldens().findFirst().orElseThrow();

        GenerationResult result = pipeline.generate(
                parameters(golden), List.of(prompt(golden), prompt(golden), prompt(golden)), StepListener.NONE);

        assertThat(result.sourceEncoding()).isPresent();
        byte[] expected = Golden.rgb("pictures/" + golden.get("file").asText());
        assertThat(result.images()).hasSize(3).allSatisfy(image ->
                assertThat(Golden.psnr(image.rgb(), expected)).isGreaterThanOrEqualTo(LEAST_PSNR));
    }

    @Test
    void aPictureThatIsNotTheParametersIsAMistake() {
        JsonNode masked = goldens().filter(golden -> golden.get("masked").asBoolean()).findFirst().orElseThrow();
        ImagePrompt noPicture = new ImagePrompt("a red circle", "", 1);

        assertThatThrownBy(() -> pipeline.generate(parameters(masked), List.of(noPicture), StepListener.NONE))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aBundleWithoutEncodersDrawsFromPromptsAndSaysThatItCannotStartFromAPicture(@TempDir Path folder) {
        TestBundle.copy(BUNDLE, folder).without(ModelBundle.VAE_ENCODER, ModelBundle.TINY_ENCODER);
        try (DiffusionPipeline older = DiffusionPipeline.load(folder, DeviceSelection.cpu())) {
            GenerationParameters parameters = new GenerationParameters(
                    64, 64, 2, SchedulerName.DPMPP_2M, 7.5, 1, DecoderName.TINY, true);

            assertThat(older.generate(parameters, List.of(new ImagePrompt("a circle", "", 1)), StepListener.NONE).images())
                    .hasSize(1);
            assertThatThrownBy(() -> older.check(parameters.startingFrom(new ImageToImage(0.5, false))))
                    .isInstanceOf(UnsupportedParametersException.class)
                    .hasMessage("The model random cannot start from a picture: its bundle has no encoder. "
                            + "Compile it again to have one.");
        }
    }

    /** Both decode the same latents, so that a picture may be encoded by either. */
    @Test
    void whereADecoderHasNoEncoderOfItsOwnTheOtherEncodes(@TempDir Path folder) {
        TestBundle.copy(BUNDLE, folder).without(ModelBundle.TINY_ENCODER);
        JsonNode golden = goldens().filter(of -> of.get("decoder").asText().equals("tiny")).findFirst().orElseThrow();
        try (DiffusionPipeline full = DiffusionPipeline.load(folder, DeviceSelection.cpu())) {
            byte[] image = full.generate(parameters(golden), List.of(prompt(golden)), StepListener.NONE).images().get(0).rgb();

            assertThat(Golden.psnr(image, Golden.rgb("pictures/" + golden.get("file").asText()))).isLessThan(LEAST_PSNR);
        }
    }

    private void assertGolden(List<JsonNode> goldens) {
        GenerationParameters parameters = parameters(goldens.get(0));
        List<Integer> steps = new ArrayList<>();

        GenerationResult result = pipeline.generate(
                parameters, goldens.stream().map(GoldenPicturesTest::prompt).toList(), (step, total) -> steps.add(step));

        assertThat(result.batchSize()).isEqualTo(goldens.size());
        assertThat(steps).hasSize(goldens.get(0).get("stepsRun").asInt()).isSorted();
        assertThat(result.steps()).isEqualTo(steps.size());
        for (int i = 0; i < goldens.size(); i++) {
            byte[] expected = Golden.rgb("pictures/" + goldens.get(i).get("file").asText());
            assertThat(Golden.psnr(result.images().get(i).rgb(), expected))
                    .as("PSNR of %s", goldens.get(i).get("file").asText())
                    .isGreaterThanOrEqualTo(LEAST_PSNR);
        }
    }

    private static GenerationParameters parameters(JsonNode golden) {
        return new GenerationParameters(64, 64, golden.get("steps").asInt(),
                Labelled.find(SchedulerName.class, golden.get("scheduler").asText()).orElseThrow(),
                golden.get("scale").asDouble(), golden.get("cutoff").asDouble(),
                Labelled.find(DecoderName.class, golden.get("decoder").asText()).orElseThrow(), true)
                .startingFrom(new ImageToImage(golden.get("strength").asDouble(), golden.get("masked").asBoolean()));
    }

    private static ImagePrompt prompt(JsonNode golden) {
        Optional<byte[]> mask = golden.get("masked").asBoolean()
                ? Optional.of(Golden.gray("pictures/" + golden.get("mask").asText())) : Optional.empty();
        SourceImage source = new SourceImage(64, 64, Golden.rgb("pictures/" + golden.get("picture").asText()), mask);
        return new ImagePrompt(golden.get("prompt").asText(), golden.get("negativePrompt").asText(), PromptSyntax.PLAIN,
                Optional.of(source), golden.get("seed").asLong());
    }

    private static Stream<JsonNode> goldens() {
        return Golden.cases("pictures/images.json");
    }

    /** The images of each setting, which can share a batch. */
    private static Stream<Named<List<JsonNode>>> settings() {
        Map<String, List<JsonNode>> settings = goldens().collect(Collectors.groupingBy(
                golden -> golden.get("file").asText().replaceFirst("-\\d\\.png", ""), LinkedHashMap::new, Collectors.toList()));
        return settings.entrySet().stream().map(setting -> Named.of(setting.getKey(), setting.getValue()));
    }
}
