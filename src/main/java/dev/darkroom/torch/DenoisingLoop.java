package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.Guidance;
import dev.darkroom.diffusion.Scheduler;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * From noise to latents. The step network computes a whole step; noise and coefficients of all steps are tables on the
 * device, and a step names its rows, so that no tensor is computed or copied between two calls of the network.
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
     * @param embeddings of the texts, {@code [2B, 77, C]}, the negative prompts first; {@code [B, 77, C]} where no step is
     *     guided
     * @param stepDone told of each step, from 1, when the device was told of it: on a GPU some steps ahead of their end
     * @return the latents, {@code [B, 4, h, w]}; overwritten by the next run
     */
    NDArray run(NDManager manager, GenerationParameters parameters, List<Long> seeds, NDArray embeddings,
            IntConsumer stepDone) {
        int steps = scheduler.steps();
        Shape latents = new Shape(manifest.latentChannels(), parameters.height() / manifest.latentScale(),
                parameters.width() / manifest.latentScale());
        boolean ancestral = scheduler.isAncestral();
        NDArray noise = device.drawNoise(manager, seeds, ancestral ? 2 : 1, latents);
        NDArray coefficients = coefficients(manager);
        NDArray conditional = guidance.guidedSteps() == 0 ? embeddings : embeddings.get(seeds.size() + ":");
        NDArray sample = noise.get(0).mul(scheduler.initNoiseSigma());
        NDArray previous = sample.zerosLike();
        for (int step = 0; step < steps; step++) {
            if (ancestral && step == 1) {
                // From the first draw again, which takes the host about as long as a GPU needs for the first step
                noise = device.drawNoise(manager, seeds, 1 + steps, latents);
            }
            boolean guides = guidance.guides(step);
            // Without ancestral noise its coefficient is 0, and any noise will do
            int fresh = ancestral ? step + 1 : 0;
            NDList result = (guides ? guided : unguided).run(
                    new NDList(sample, previous, noise, guides ? embeddings : conditional, coefficients),
                    Network.WHOLE, Network.WHOLE, fresh, Network.WHOLE, step);
            new NDList(sample, previous).close();
            sample = result.get(0);
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
