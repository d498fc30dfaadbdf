package dev.darkroom.diffusion;

import dev.darkroom.engine.DeviceSelection;
import java.nio.file.Path;
import java.util.List;

/** Stable Diffusion 1.x from a model bundle: text encoder, denoising loop, decoder. */
public final class DiffusionPipeline implements ImageGenerator {

    private DiffusionPipeline() {
    }

    /**
     * Loads a bundle onto a device. The thread that calls this need not be the one that generates.
     *
     * @param bundle the bundle's folder
     */
    public static DiffusionPipeline load(Path bundle, DeviceSelection device) {
        throw new UnsupportedOperationException("not built yet");
    }

    @Override
    public GenerationResult generate(
            GenerationParameters parameters, List<ImagePrompt> prompts, StepListener listener) {
        throw new UnsupportedOperationException("not built yet");
    }

    @Override
    public ModelDescription model() {
        throw new UnsupportedOperationException("not built yet");
    }

    @Override
    public void check(GenerationParameters parameters) {
        throw new UnsupportedOperationException("not built yet");
    }

    @Override
    public void close() {
    }
}
