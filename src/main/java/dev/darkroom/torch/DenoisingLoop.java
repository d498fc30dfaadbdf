package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.Guidance;
import dev.darkroom.diffusion.Scheduler;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * From noise, or from pictures with noise, to latents. The step network computes a whole step; noise and coefficients of all
 * steps are tables on the device, and a step names its rows, so that no tensor is computed or copied between two calls of the
 * network, but for the few small ones that hold the kept parts of masked pictures to them.
 *
 * @param guided the step network with guidance
 * @param unguided the step network after guidance was dropped
 */
record DenoisingLoop(
        ComputeDevice device,
        BundleManifest manifest,
        Scheduler scheduler,
        Guidance guidance,
        Network guided,
        Network unguided) {

    /**
     * Runs every step. On a GPU this returns when the device was told of all steps, not when they are done.
     *
     * @param seeds of the images' noise
     * @param embeddings of the texts, {@code [2B, T, C]}, the negative prompts first; {@code [B, T, C]} where no step is
     *     guided
     * @param pictures that the images start from; empty if they start from noise
     * @param stepDone told of each step, from 1, when the device was told of it: on a GPU some steps ahead of their end
     * @return the latents, {@code [B, 4, h, w]}; overwritten by the next run
     */
    NDArray run(NDManager manager, GenerationParameters parameters, List<Long> seeds, NDArray embeddings,
            Optional<StartingLatents> pictures, IntConsumer stepDone) {
        int steps = scheduler.steps();
        Shape latents = new Shape(manifest.latentChannels(), parameters.height() / manifest.latentScale(),
                parameters.width() / manifest.latentScale());
        boolean ancestral = scheduler.isAncestral();
        // Which draw of a seed denoising starts from, and which is the first step's; without ancestral noise its coefficient is
        // 0, and any noise will do
        int initial = pictures.map(StartingLatents::drawsBefore).orElse(0);
        int first = ancestral ? initial + 1 + pictures.map(StartingLatents::drawsAfter).orElse(0) : initial;
        NDArray noise = device.drawNoise(manager, seeds, first + 1, latents);
        NDArray coefficients = coefficients(manager);
        NDArray conditional = guidance.guidedSteps() == 0 ? embeddings : embeddings.get(seeds.size() + ":");
        NDArray begin = noise.get(initial);
        NDArray sample = pictures.map(start -> start.start(begin, scheduler))
                .orElseGet(() -> begin.mul(scheduler.initNoiseSigma()));
        Optional<StartingLatents.Blend> blend = pictures.flatMap(start -> start.blend(begin));
        NDArray previous = sample.zerosLike();
        for (int step = 0; step < steps; step++) {
            if (ancestral && step == 1) {
                // From the first draw again, which takes the host about as long as a GPU needs for the first step
                noise = device.drawNoise(manager, seeds, first + steps, latents);
            }
            boolean guides = guidance.guides(step);
            int fresh = ancestral ? first + step : first;
            NDList result = (guides ? guided : unguided).run(
                    new NDList(sample, previous, noise, guides ? embeddings : conditional, coefficients),
                    Network.WHOLE, Network.WHOLE, fresh, Network.WHOLE, step);
            new NDList(sample, previous).close();
            sample = result.get(0);
            if (blend.isPresent()) {
                try (NDArray made = sample) {
                    sample = blend.get().after(step, made, scheduler);
                }
            }
            previous = result.get(1);
            stepDone.accept(step + 1);
        }
        return sample;
    }

    /** {@code [steps, 9]} */
    private NDArray coefficients(NDManager manager) {
        float[][] coefficients = new float[scheduler.steps()][];
        for (int step = 0; step < coefficients.length; step++) {
            coefficients[step] = scheduler.coefficients(step).withGuidance(guidance.scale());
        }
        return manager.create(coefficients);
    }
}
