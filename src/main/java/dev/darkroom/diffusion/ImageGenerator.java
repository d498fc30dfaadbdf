package dev.darkroom.diffusion;

import java.util.List;

/**
 * Turns prompts into images, a batch at a time. Not thread-safe: one thread generates, and it is the one thread that
 * touches the device.
 */
public interface ImageGenerator extends AutoCloseable {

    /**
     * Generates one image for each prompt.
     *
     * @param prompts 1 to {@link ModelDescription#largestBatch()} of them
     * @param listener told of every finished step, on the generating thread
     * @throws UnsupportedParametersException if the bundle does not offer what the parameters ask for
     * @throws DeviceMemoryException if the device has too little memory for even one image
     * @throws DeviceFaultException if the device is lost; the process must end, since nothing on it can be trusted
     * @throws GenerationException if the batch failed for another reason
     * @throws java.util.concurrent.CancellationException if the generator was closed before the batch was done
     */
    GenerationResult generate(GenerationParameters parameters, List<ImagePrompt> prompts, StepListener listener);

    /** What this generator runs and offers. */
    ModelDescription model();

    /**
     * Tells whether the parameters can be honoured, without running anything. Callable from any thread.
     *
     * @throws UnsupportedParametersException if they cannot
     */
    void check(GenerationParameters parameters);

    /**
     * The same parameters, with as many texts a prompt as these prompts need, of those that the bundle offers; where even the
     * most are too few, prompts are cut. Runs nothing. Callable from any thread.
     *
     * @throws java.util.concurrent.CancellationException if the generator is closed
     */
    GenerationParameters reading(GenerationParameters parameters, List<ImagePrompt> prompts);

    /**
     * Frees the model; callable from any thread, more than once. A batch that is running ends at its next step, and
     * this waits for it. To be called before the JVM exits: libtorch's exit handlers free what a running batch still
     * reads, and the process would crash.
     */
    @Override
    void close();
}
