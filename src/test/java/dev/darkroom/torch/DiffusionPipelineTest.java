package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.diffusion.UnsupportedParametersException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DiffusionPipelineTest {

    private final DiffusionPipeline pipeline = Mini.pipeline();

    @Test
    void saysWhatItRunsAndOffers() {
        ModelDescription model = pipeline.model();

        assertThat(model.bundle()).isEqualTo("mini");
        assertThat(model.digest()).matches("[0-9a-f]{64}");
        assertThat(model.device()).isEqualTo("cpu");
        assertThat(model.engine()).isEqualTo("PyTorch 2.7.1");
        assertThat(model.defaultSize()).isEqualTo(new ImageSize(256, 256));
        assertThat(model.compiled()).isFalse();
        assertThat(model.uncompiled()).contains("The bundle mini has no compiled packages.");
    }

    @ParameterizedTest
    @CsvSource({
        "512, 512, 20, 7.5, 1, width, '512x512 is not on offer; the model mini makes 256x256, 128x128'",
        "128, 256, 20, 7.5, 1, height, '128x256 is not on offer; the model mini makes 256x256, 128x128'"
    })
    void refusesWhatTheBundleDoesNotOffer(
            int width, int height, int steps, double scale, double cutoff, String field, String sentence) {
        GenerationParameters parameters = new GenerationParameters(
                width, height, steps, SchedulerName.DPMPP_2M, scale, cutoff, DecoderName.TINY, true);

        UnsupportedParametersException refusal = catchThrowableOfType(
                UnsupportedParametersException.class, () -> pipeline.check(parameters));

        assertThat(refusal).hasMessageContaining(sentence);
        assertThat(refusal.field()).isEqualTo(field);
    }

    @Test
    void saysWhenAPromptWasCut() {
        String tooLong = "a red circle, ".repeat(40);

        List<GeneratedImage> images = generate(1, List.of(
                new ImagePrompt("a red circle", "", 1),
                new ImagePrompt(tooLong, "", 1),
                new ImagePrompt("a red circle", tooLong, 1))).images();

        assertThat(images).extracting(GeneratedImage::promptTruncated).containsExactly(false, true, true);
    }

    @Test
    void aLongPromptIsReadAsFarAsTheBundleOffers(@TempDir Path folder) {
        TestBundle.copyOfMini(folder).withTextLengths(77, 154);
        try (DiffusionPipeline longer = DiffusionPipeline.load(folder, DeviceSelection.cpu())) {
            // Of 4 tokens each
            ImagePrompt whole = new ImagePrompt("a red apple, ".repeat(25), "", 1);
            ImagePrompt otherEnd = new ImagePrompt("a red apple, ".repeat(24) + "a green boat", "", 1);
            ImagePrompt cut = new ImagePrompt("a red apple, ".repeat(40), "", 1);
            ImagePrompt longNegative = new ImagePrompt("a red apple", "a red apple, ".repeat(25), 1);
            GenerationParameters two = parameters(1).readingTexts(2);

            assertThat(longer.model().textLengths()).containsExactly(77, 154);
            assertThat(longer.reading(parameters(1), List.of(new ImagePrompt("a red apple", "", 1)))).isEqualTo(parameters(1));
            for (ImagePrompt prompt : List.of(whole, cut, longNegative)) {
                assertThat(longer.reading(parameters(1), List.of(prompt))).isEqualTo(two);
            }
            List<GeneratedImage> images =
                    longer.generate(two, List.of(whole, otherEnd, cut, longNegative), StepListener.NONE).images();
            assertThat(images).extracting(GeneratedImage::promptTruncated).containsExactly(false, false, true, false);
            assertThat(images.get(1).rgb()).isNotEqualTo(images.get(0).rgb());
            // With 77 tokens the end makes no difference
            images = longer.generate(parameters(1), List.of(whole, otherEnd), StepListener.NONE).images();
            assertThat(Golden.psnr(images.get(1).rgb(), images.get(0).rgb())).isGreaterThan(50);
        }
        assertThat(pipeline.reading(parameters(1), List.of(new ImagePrompt("a red apple, ".repeat(25), "", 1))))
                .isEqualTo(parameters(1));
    }

    /** It is not read then. */
    @Test
    void aLongNegativePromptCountsForNothingWithoutGuidance(@TempDir Path folder) {
        TestBundle.copyOfMini(folder).withTextLengths(77, 154);
        GenerationParameters unguided = new GenerationParameters(
                128, 128, 2, SchedulerName.DPMPP_2M, 1, 1, DecoderName.TINY, false);
        try (DiffusionPipeline longer = DiffusionPipeline.load(folder, DeviceSelection.cpu())) {
            assertThat(longer.reading(unguided, List.of(new ImagePrompt("a red apple", "a red apple, ".repeat(25), 1))))
                    .isEqualTo(unguided);
        }
    }

    @Test
    void splitsWhatIsMoreThanTheLargestBatch() {
        List<ImagePrompt> prompts =
                IntStream.range(0, 9).mapToObj(i -> new ImagePrompt("a red circle", "", i)).toList();
        List<Integer> steps = new ArrayList<>();

        GenerationResult result = pipeline.generate(parameters(2), prompts, (step, total) -> steps.add(step));

        assertThat(result.images()).extracting(GeneratedImage::seed)
                .containsExactly(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L);
        assertThat(result.batchSize()).isEqualTo(8);
        assertThat(steps).containsExactly(1, 2);
    }

    @Test
    void aScaleOfOneIsNoGuidanceAtAll() {
        GenerationParameters unguided = new GenerationParameters(
                128, 128, 2, SchedulerName.DPMPP_2M, 1, 1, DecoderName.TINY, false);

        byte[] one = pipeline.generate(unguided, List.of(new ImagePrompt("a red circle", "blue", 3)),
                StepListener.NONE).images().get(0).rgb();
        byte[] other = pipeline.generate(unguided, List.of(new ImagePrompt("a red circle", "green", 3)),
                StepListener.NONE).images().get(0).rgb();

        assertThat(one).isEqualTo(other);
    }

    @Test
    void theNegativePromptChangesAGuidedImage() {
        byte[] one = generate(2, List.of(new ImagePrompt("a red circle", "blue", 3))).images().get(0).rgb();
        byte[] other = generate(2, List.of(new ImagePrompt("a red circle", "green", 3))).images().get(0).rgb();

        assertThat(one).isNotEqualTo(other);
    }

    @Test
    void keepsEmbeddingsRightWhenMoreTextsComeThanAreKept() {
        byte[] before = generate(1, List.of(new ImagePrompt("a red circle", "", 5))).images().get(0).rgb();
        for (int i = 0; i < 10; i++) {
            int round = i;
            generate(1, IntStream.range(0, 8)
                    .mapToObj(k -> new ImagePrompt("circle " + round + " " + k, "", k)).toList());
        }

        byte[] after = generate(1, List.of(new ImagePrompt("a red circle", "", 5))).images().get(0).rgb();

        assertThat(Golden.psnr(after, before)).isGreaterThan(50);
    }

    @Test
    void runsUncompiledAndSaysWhyWhereItCannotRunPackages(@TempDir Path folder) throws IOException {
        TestBundle.copyOfMini(folder);
        Files.createDirectories(folder.resolve("compiled/sm_90"));
        try (DiffusionPipeline withPackages = DiffusionPipeline.load(folder, DeviceSelection.cpu())) {
            GenerationResult result = withPackages.generate(
                    parameters(1), List.of(new ImagePrompt("a red circle", "", 1)), StepListener.NONE);

            assertThat(result.images()).hasSize(1);
            assertThat(result.compiled()).isFalse();
            assertThat(withPackages.model().uncompiled()).hasValueSatisfying(reason ->
                    assertThat(reason).startsWith("The operators' library is not loaded: PYTORCH_EXTRA_LIBRARY_PATH must"));
        }
    }

    @Test
    void loadsADecoderWhenItIsFirstAskedFor(@TempDir Path folder) throws IOException {
        TestBundle.copyOfMini(folder);
        List<ImagePrompt> prompts = List.of(new ImagePrompt("a red circle", "", 1));
        Profile baseline = Profile.labelled("baseline").orElseThrow();
        try (DiffusionPipeline lazy = DiffusionPipeline.load(folder, DeviceSelection.cpu())) {
            lazy.prepare(Profile.FINAL.parameters(lazy.model()), List.of(1));
            // Nothing of it can have been read before, and nothing of it can be read now
            Files.writeString(folder.resolve(ModelBundle.VAE_DECODER), "no module");

            assertThat(lazy.generate(parameters(1), prompts, StepListener.NONE).images()).hasSize(1);
            assertThatThrownBy(() -> lazy.prepare(baseline.parameters(lazy.model()), List.of(1)))
                    .isInstanceOf(BundleException.class)
                    .hasMessageStartingWith("torch cannot load " + folder.resolve(ModelBundle.VAE_DECODER));
        }
    }

    @Test
    void closingStopsARunningBatchAtItsNextStep() throws Exception {
        DiffusionPipeline closing = DiffusionPipeline.load(Mini.FOLDER, DeviceSelection.cpu());
        CountDownLatch started = new CountDownLatch(1);
        CompletableFuture<GenerationResult> running = CompletableFuture.supplyAsync(() -> closing.generate(
                parameters(150), List.of(new ImagePrompt("a red circle", "", 1)),
                (step, total) -> started.countDown()));
        assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();

        closing.close();

        assertThatThrownBy(running::get)
                .hasRootCauseInstanceOf(CancellationException.class)
                .hasRootCauseMessage("The pipeline is closed.");
    }

    private GenerationResult generate(int steps, List<ImagePrompt> prompts) {
        return pipeline.generate(parameters(steps), prompts, StepListener.NONE);
    }

    private static GenerationParameters parameters(int steps) {
        return new GenerationParameters(
                128, 128, steps, SchedulerName.EULER_ANCESTRAL, 7.5, 1, DecoderName.TINY, true);
    }
}
