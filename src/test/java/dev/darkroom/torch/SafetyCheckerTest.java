package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.Safety;
import dev.darkroom.diffusion.SafetyPolicy;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.StepListener;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The module says what diffusers' safety checker says, of images that it is given and of those that the pipeline draws. */
class SafetyCheckerTest {

    private static final Path BUNDLE = Path.of("src/test/resources/golden/pictures/bundle");
    private static final JsonNode GOLDEN = Golden.json("safety/scores.json");
    /** A score has three decimals, the last of which may fall to either side. */
    private static final double ROUNDING = 0.0011;
    /** And a level of an image that was drawn, too. */
    private static final double DRAWING = 0.002;

    private static DiffusionPipeline pipeline;

    @BeforeAll
    static void load(@TempDir Path folder) {
        pipeline = DiffusionPipeline.load(
                TestBundle.copy(BUNDLE, folder).withSafetyChecker().folder(), DeviceSelection.cpu(), SafetyPolicy.FLAG);
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    @Test
    void itFlagsWhatDiffusersFlags() {
        ComputeDevice device = ComputeDevice.open(DeviceSelection.cpu());
        try (NDManager manager = device.newManager();
                TorchModule module = device.load(
                        Path.of("src/test/resources/golden/safety").resolve(ModelBundle.SAFETY_CHECKER))) {
            SafetyChecker checker = new SafetyChecker(module);
            assertThat(Golden.cases("safety/scores.json")).extracting(golden -> golden.get("flagged").asBoolean())
                    .contains(true, false);
            assertThat(Golden.cases("safety/scores.json")).allSatisfy(golden -> {
                byte[] rgb = Golden.rgb(golden.get("file").asText());
                long side = Math.round(Math.sqrt(rgb.length / 3.0));
                NDArray pixels = manager.create(ByteBuffer.wrap(rgb), new Shape(1, side, side, 3), DataType.UINT8);
                Safety said = checker.check(pixels).get(0);
                assertThat(said.flagged()).as("%s", golden).isEqualTo(golden.get("flagged").asBoolean());
                assertSaid(said, golden, ROUNDING);
            });
        }
    }

    @Test
    void eachImageOfABatchHasItsOwn() {
        List<JsonNode> goldens = StreamSupport.stream(GOLDEN.get("drawn").spliterator(), false).toList();

        GenerationResult result = pipeline.generate(parameters(), goldens.stream()
                .map(golden -> new ImagePrompt(GOLDEN.get("prompt").asText(), "", golden.get("seed").asLong())).toList(),
                StepListener.NONE);

        assertThat(result.safetyCheck()).isPresent();
        IntStream.range(0, goldens.size()).forEach(i ->
                assertSaid(result.images().get(i).safety().orElseThrow(), goldens.get(i), DRAWING));
    }

    @Test
    void whereItIsNotAskedNothingIsSaid(@TempDir Path folder) {
        Path bundle = TestBundle.copy(BUNDLE, folder).withSafetyChecker().folder();
        try (DiffusionPipeline off = DiffusionPipeline.load(bundle, DeviceSelection.cpu(), SafetyPolicy.OFF)) {
            GenerationResult result =
                    off.generate(parameters(), List.of(new ImagePrompt("a circle", "", 1)), StepListener.NONE);

            assertThat(result.safetyCheck()).isEmpty();
            assertThat(result.images()).extracting(GeneratedImage::safety).allMatch(said -> said.isEmpty());
        }
    }

    @Test
    void aBundleWithoutOneIsRefusedWhereItIsNeeded() {
        assertThatThrownBy(() -> DiffusionPipeline.load(BUNDLE, DeviceSelection.cpu(), SafetyPolicy.WITHHOLD))
                .isInstanceOf(BundleException.class)
                .hasMessage("The bundle random has no safety checker, which the safety policy withhold needs. "
                        + "Compile it with --safety, or choose the policy off.");
    }

    private static GenerationParameters parameters() {
        return new GenerationParameters(64, 64, GOLDEN.get("steps").asInt(), SchedulerName.DPMPP_2M,
                GOLDEN.get("scale").asDouble(), 1, DecoderName.TINY, true);
    }

    private static void assertSaid(Safety said, JsonNode golden, double tolerance) {
        assertThat(said.score()).as("%s", golden).isCloseTo(golden.get("score").asDouble(), within(tolerance));
        assertThat(said.flagged()).isEqualTo(said.score() > 0);
    }
}
