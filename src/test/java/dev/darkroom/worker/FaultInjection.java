package dev.darkroom.worker;

import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.GenerationException;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.worker.generate.GeneratorSource;
import jakarta.annotation.Priority;
import jakarta.enterprise.inject.Alternative;
import jakarta.inject.Singleton;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;

/**
 * The real pipeline, with faults of the device where a prompt asks for them, since a CPU has none of its own; and a
 * record of the batches that it was given.
 */
@Alternative
@Priority(1)
@Singleton
public class FaultInjection extends GeneratorSource {

    public static final String OUT_OF_MEMORY = "fault: out of memory";
    public static final String FAILURE = "fault: failure";
    public static final String SILENCE = "fault: silence";

    private final List<List<ImagePrompt>> batches = new CopyOnWriteArrayList<>();
    private final Semaphore silence = new Semaphore(0);

    FaultInjection(DarkroomConfig config) {
        super(config);
    }

    /** Every batch that was generated, or failed, so far. */
    public List<List<ImagePrompt>> batches() {
        return batches;
    }

    /** How often an image of this prompt was generated, or tried. */
    public long attempts(String prompt) {
        return batches.stream().flatMap(List::stream).filter(image -> image.prompt().equals(prompt)).count();
    }

    /** Ends the silence that a prompt asked for. */
    public void breakSilence() {
        silence.release();
    }

    @Override
    public ImageGenerator open() {
        ImageGenerator pipeline = super.open();
        return new ImageGenerator() {
            @Override
            public GenerationResult generate(
                    GenerationParameters parameters, List<ImagePrompt> prompts, StepListener listener) {
                batches.add(List.copyOf(prompts));
                prompts.forEach(image -> inject(image.prompt()));
                return pipeline.generate(parameters, prompts, listener);
            }

            @Override
            public ModelDescription model() {
                return pipeline.model();
            }

            @Override
            public void check(GenerationParameters parameters) {
                pipeline.check(parameters);
            }

            @Override
            public GenerationParameters reading(GenerationParameters parameters, List<ImagePrompt> prompts) {
                return pipeline.reading(parameters, prompts);
            }

            @Override
            public void close() {
                pipeline.close();
            }
        };
    }

    private void inject(String prompt) {
        switch (prompt) {
            case OUT_OF_MEMORY -> throw new DeviceMemoryException("CUDA out of memory", null);
            case FAILURE -> throw new GenerationException("injected", null);
            case SILENCE -> silence.acquireUninterruptibly();
            default -> { }
        }
    }
}
