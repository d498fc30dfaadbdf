package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.diffusion.AdapterDescription;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.diffusion.UnsupportedParametersException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters on the weights: as diffusers adds them, alone and together, and gone without a trace. */
class AdaptersTest {

    private static final JsonNode GOLDEN = Golden.json("adapters.json");
    private static final LoraAdapter INK = new LoraAdapter("ink", 1);
    private static final LoraAdapter WASH = new LoraAdapter("wash", -0.7);

    private static DiffusionPipeline pipeline;

    @BeforeAll
    static void load(@TempDir Path folder) {
        TestBundle bundle = TestBundle.copyOfMini(folder).withSmallImages()
                .withAdapter("ink", false).withAdapter("wash", true);
        pipeline = DiffusionPipeline.load(bundle.folder(), DeviceSelection.cpu());
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    @Test
    void imagesAreDiffusersWhateverWasAddedBefore() {
        List<JsonNode> cases = new ArrayList<>();
        GOLDEN.get("cases").forEach(cases::add);
        // there and back, so that each follows another
        for (int i = 2 * cases.size() - 2; i >= 0; i--) {
            JsonNode golden = cases.get(i < cases.size() ? i : 2 * cases.size() - 2 - i);
            byte[] image = draw(adapters(golden)).images().get(0).rgb();

            assertThat(Golden.psnr(image, Golden.rgb(golden.get("file").asText()))).as(golden.toString())
                    .isGreaterThanOrEqualTo(50);
            for (JsonNode other : cases) {
                if (!other.equals(golden)) {
                    assertThat(Golden.psnr(image, Golden.rgb(other.get("file").asText()))).isLessThan(40);
                }
            }
        }
    }

    @Test
    void withoutThemTheImageIsThePlainOneByteForByte() {
        byte[] plain = sketch(List.of()).images().get(0).rgb();
        for (int i = 0; i < 3; i++) {
            assertThat(sketch(List.of(INK, WASH)).images().get(0).rgb()).isNotEqualTo(plain);
            assertThat(sketch(List.of(new LoraAdapter("ink", 0.3 * i))).images()).hasSize(1);
        }

        assertThat(sketch(List.of()).images().get(0).rgb()).isEqualTo(plain);
    }

    @Test
    void onlyAnotherSetIsASwitch() {
        sketch(List.of(WASH, INK));

        assertThat(sketch(List.of(INK, WASH)).adapterSwitch()).isEmpty();
        assertThat(sketch(List.of(INK)).adapterSwitch()).hasValueSatisfying(took -> assertThat(took).isPositive());
        assertThat(sketch(List.of(INK)).adapterSwitch()).isEmpty();
        assertThat(sketch(List.of(new LoraAdapter("ink", 0.5))).adapterSwitch()).isPresent();
        assertThat(sketch(List.of()).adapterSwitch()).isPresent();
        assertThat(sketch(List.of()).adapterSwitch()).isEmpty();
    }

    @Test
    void anUnknownOneIsRefusedWithThoseThatAreThere() {
        UnsupportedParametersException refusal = catchThrowableOfType(UnsupportedParametersException.class,
                () -> pipeline.check(parameters(List.of(INK, new LoraAdapter("oil", 1)))));

        assertThat(refusal).hasMessage("There is no adapter oil; the model mini has ink, wash.");
        assertThat(refusal.field()).isEqualTo("adapters");
        assertThatThrownBy(() -> Mini.pipeline().check(Profile.FINAL.parameters(Mini.pipeline().model(), List.of(INK))))
                .hasMessage("There is no adapter ink; the model mini has lcm.");
    }

    @Test
    void aProfileOfFewStepsAddsTheAdapterThatItNeeds() {
        assertThat(pipeline.model().adapters())
                .containsExactly(new AdapterDescription("ink", false), new AdapterDescription("wash", true));
        Profile fast = Profile.labelled("fast").orElseThrow();

        assertThat(fast.parameters(pipeline.model()).adapters()).containsExactly(new LoraAdapter("wash", 1));
        assertThat(fast.parameters(pipeline.model(), List.of(INK)).adapters())
                .containsExactly(INK, new LoraAdapter("wash", 1));
        assertThat(fast.parameters(pipeline.model(), List.of(WASH)).adapters()).containsExactly(WASH);
        assertThat(Profile.FINAL.parameters(pipeline.model()).adapters()).isEmpty();
    }

    @Test
    void withoutWeightsForFewStepsLcmIsRefused(@TempDir Path folder) {
        String sentence = "The scheduler lcm is for weights that were distilled for few steps, which those of the model mini "
                + "were not; ";
        GenerationParameters lcm = new GenerationParameters(128, 128, 4, SchedulerName.LCM, 1, 1,
                Profile.FINAL.decoder(), true, List.of(INK));

        assertThat(catchThrowableOfType(UnsupportedParametersException.class, () -> pipeline.check(lcm)))
                .hasMessage(sentence + "adapters that make them so: wash.")
                .extracting(UnsupportedParametersException::field).isEqualTo("scheduler");
        try (DiffusionPipeline plain =
                DiffusionPipeline.load(TestBundle.copyOfMini(folder).folder(), DeviceSelection.cpu())) {
            assertThat(catchThrowableOfType(UnsupportedParametersException.class,
                    () -> Profile.labelled("fast-8").orElseThrow().parameters(plain.model())))
                    .hasMessage(sentence + "it has no adapter that makes them so.")
                    .extracting(UnsupportedParametersException::field).isEqualTo("profile");
        }
    }

    @Test
    void aBundleThatLacksAnAdaptersFileIsRefused(@TempDir Path folder) throws IOException {
        TestBundle bundle = TestBundle.copyOfMini(folder).withAdapter("ink", false);
        Files.delete(folder.resolve("adapters/ink.safetensors"));
        assertThatThrownBy(() -> ModelBundle.read(folder))
                .isInstanceOf(BundleException.class)
                .hasMessage("The bundle's file adapters/ink.safetensors is missing from " + folder + ".");
        bundle.edit(manifest -> manifest.withObjectProperty("files").remove("adapters/ink.safetensors"));
        assertThatThrownBy(() -> ModelBundle.read(folder))
                .isInstanceOf(BundleException.class)
                .hasMessage("bundle.json: files does not list the file of the adapter ink.");
    }

    @Test
    void anAdapterThatIsNoneIsRefusedAndThePlainWeightsGoOn(@TempDir Path folder) throws IOException {
        TestBundle bundle = TestBundle.copyOfMini(folder).withAdapter("ink", false);
        Path file = folder.resolve("adapters/ink.safetensors");
        Files.writeString(file, "no adapter");
        bundle.edit(manifest -> ((ObjectNode) manifest.get("files").get("adapters/ink.safetensors"))
                .put("sha256", ModelBundle.sha256(file)));
        try (DiffusionPipeline damaged = DiffusionPipeline.load(folder, DeviceSelection.cpu())) {
            assertThatThrownBy(() -> draw(damaged, brief(List.of(INK))))
                    .hasMessageStartingWith("The engine failed: The adapter ink cannot be read: ");

            assertThat(draw(damaged, brief(List.of())).images().get(0).rgb())
                    .isEqualTo(sketch(List.of()).images().get(0).rgb());
        }
    }

    private static List<LoraAdapter> adapters(JsonNode golden) {
        return StreamSupport.stream(golden.get("adapters").spliterator(), false)
                .map(adapter -> new LoraAdapter(adapter.get("name").asText(), adapter.get("scale").asDouble())).toList();
    }

    private static GenerationParameters parameters(List<LoraAdapter> adapters) {
        return Profile.labelled(GOLDEN.get("profile").asText()).orElseThrow().parameters(pipeline.model(), adapters);
    }

    private static GenerationResult draw(List<LoraAdapter> adapters) {
        return draw(pipeline, parameters(adapters));
    }

    /** Two steps, where it matters only whether images are equal. */
    private static GenerationResult sketch(List<LoraAdapter> adapters) {
        return draw(pipeline, brief(adapters));
    }

    private static GenerationParameters brief(List<LoraAdapter> adapters) {
        return new GenerationParameters(128, 128, 2, SchedulerName.DPMPP_2M, 7.5, 1, DecoderName.TINY, true, adapters);
    }

    private static GenerationResult draw(DiffusionPipeline generator, GenerationParameters parameters) {
        ImagePrompt prompt = new ImagePrompt(GOLDEN.get("prompt").asText(), GOLDEN.get("negativePrompt").asText(),
                GOLDEN.get("seed").asLong());
        return generator.generate(parameters, List.of(prompt), StepListener.NONE);
    }
}
