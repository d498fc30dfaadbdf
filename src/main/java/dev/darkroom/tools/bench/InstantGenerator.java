package dev.darkroom.tools.bench;

import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.StepListener;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * Hands out prepared pixels at once, so that a benchmark shows what everything but the generator carries: admission, encoding,
 * upload and publishing.
 */
final class InstantGenerator implements ImageGenerator {

    private static final ImageSize SIZE = new ImageSize(512, 512);
    private static final ModelDescription MODEL = new ModelDescription("instant", "0".repeat(64), "none",
            "prepared pixels", List.of(SIZE), List.of(1, 2, 4, 8), List.of(77), true, List.of(),
            Optional.of("Nothing is generated."));
    private static final int PREPARED = 16;

    private final List<byte[]> prepared = new ArrayList<>();

    InstantGenerator() {
        for (int i = 0; i < PREPARED; i++) {
            prepared.add(cloudy(new Random(i)));
        }
    }

    /**
     * Pixels that are as hard to compress as a photograph: details of half the size are half as strong, down to single pixels.
     *
     * @return red, green and blue of each pixel, row by row
     */
    static byte[] cloudy(Random random) {
        int width = SIZE.width();
        int height = SIZE.height();
        float[] values = new float[3 * width * height];
        float strength = 64;
        for (int side = width / 2; side >= 1; side /= 2, strength /= 2) {
            int columns = width / side + 1;
            float[] grid = new float[3 * columns * (height / side + 1)];
            for (int i = 0; i < grid.length; i++) {
                grid[i] = (float) (strength * random.nextGaussian());
            }
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    int corner = 3 * (y / side * columns + x / side);
                    float right = (float) (x % side) / side;
                    float below = (float) (y % side) / side;
                    for (int c = 0; c < 3; c++) {
                        float upper = (1 - right) * grid[corner + c] + right * grid[corner + 3 + c];
                        float lower = (1 - right) * grid[corner + 3 * columns + c]
                                + right * grid[corner + 3 * columns + 3 + c];
                        values[3 * (y * width + x) + c] += (1 - below) * upper + below * lower;
                    }
                }
            }
        }
        byte[] rgb = new byte[values.length];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (byte) Math.max(0, Math.min(255, Math.round(128 + values[i])));
        }
        return rgb;
    }

    @Override
    public GenerationResult generate(GenerationParameters parameters, List<ImagePrompt> prompts, StepListener listener) {
        List<GeneratedImage> images = prompts.stream()
                .map(prompt -> new GeneratedImage(SIZE.width(), SIZE.height(),
                        prepared.get(Math.floorMod(prompt.seed(), PREPARED)), prompt.seed(), false,
                        Optional.empty()))
                .toList();
        listener.onStep(parameters.stepsToRun(), parameters.stepsToRun());
        return new GenerationResult(images, Optional.empty(), Duration.ZERO, Optional.empty(), Duration.ZERO, Duration.ZERO,
                Optional.empty(), parameters.stepsToRun(), images.size(), false, Optional.empty());
    }

    @Override
    public ModelDescription model() {
        return MODEL;
    }

    @Override
    public void check(GenerationParameters parameters) {
        // Every profile's default size is the one size there is
    }

    @Override
    public GenerationParameters reading(GenerationParameters parameters, List<ImagePrompt> prompts) {
        return parameters;
    }

    @Override
    public void close() {
        // Nothing is held but memory
    }
}
