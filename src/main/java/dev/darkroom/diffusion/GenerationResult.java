package dev.darkroom.diffusion;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * A generated batch.
 *
 * @param images in the order of the prompts
 * @param adapterSwitch time in which the weights were changed for the batch; empty if they were as its adapters want them
 * @param textEncoding time from the first token to the embeddings
 * @param sourceEncoding time from pictures to the latents that images start from; empty if they start from noise
 * @param denoising time of the denoising loop, noise included
 * @param decoding time from latents to pixels in host memory
 * @param safetyCheck time of the safety checker; empty where it was not asked
 * @param steps inference steps that ran
 * @param batchSize images that ran in one batch; smaller than the number of prompts where the batch was split
 * @param compiled whether compiled packages ran, and nothing else; false where a module ran uncompiled. Of the safety
 *     checker there is the module alone, which does not count
 * @param memory the device's memory during this batch; empty on a CPU
 */
public record GenerationResult(
        List<GeneratedImage> images,
        Optional<Duration> adapterSwitch,
        Duration textEncoding,
        Optional<Duration> sourceEncoding,
        Duration denoising,
        Duration decoding,
        Optional<Duration> safetyCheck,
        int steps,
        int batchSize,
        boolean compiled,
        Optional<MemoryStatistics> memory) {
}
