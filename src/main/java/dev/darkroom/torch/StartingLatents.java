package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import dev.darkroom.diffusion.Scheduler;
import java.util.Optional;

/**
 * Pictures as latents, which denoising starts from instead of from noise alone.
 *
 * @param latents of the pictures, {@code [B, 4, h, w]}
 * @param mask {@code [B, 1, h, w]}, 1 where the picture is made anew and 0 where it is kept; empty if all is made anew
 * @param sampled whether the latents are a sample of the encoder's posterior, drawn from the images' seeds
 * @param pure whether denoising starts from noise alone all the same: at the full strength with a mask
 */
record StartingLatents(NDArray latents, Optional<NDArray> mask, boolean sampled, boolean pure) {

    /** What diffusers draws from a seed before the noise that denoising starts from: the sample of the posterior. */
    int drawsBefore() {
        return sampled ? 1 : 0;
    }

    /**
     * What diffusers draws between that noise and that of the first step: with a mask its pipeline encodes what is kept, too,
     * for UNets that look at it.
     */
    int drawsAfter() {
        return sampled && mask.isPresent() ? 1 : 0;
    }

    /** The first sample. */
    NDArray start(NDArray noise, Scheduler scheduler) {
        if (pure) {
            return noise.mul(scheduler.initNoiseSigma());
        }
        double scale = scheduler.imageScale(0);
        return latents.mul(scale).add(noise.mul(scale * scheduler.sigmas()[0]));
    }

    /** What holds the kept parts of the pictures to them; empty if nothing is kept. */
    Optional<Blend> blend(NDArray noise) {
        return mask.map(made -> {
            NDArray kept = made.neg().add(1);
            return new Blend(made, latents.mul(kept), noise.mul(kept));
        });
    }

    /**
     * Puts the kept parts of the pictures, with as much noise as the next step expects, in place of what a step made of them.
     * It is a few small operations between two calls of the step's network, which is one graph whatever images start from.
     *
     * @param mask {@code [B, 1, h, w]}, 1 where the picture is made anew
     * @param latents of the pictures where they are kept, else 0
     * @param noise that denoising started from, where they are kept, else 0
     */
    record Blend(NDArray mask, NDArray latents, NDArray noise) {

        /**
         * The sample after a step.
         *
         * @param step counted from 0
         */
        NDArray after(int step, NDArray sample, Scheduler scheduler) {
            NDArray blended = sample.mul(mask);
            if (step + 1 == scheduler.steps()) {
                return blended.addi(latents);
            }
            double scale = scheduler.imageScale(step + 1);
            try (NDArray picture = latents.mul(scale); NDArray noisy = noise.mul(scale * scheduler.sigmas()[step + 1])) {
                return blended.addi(picture).addi(noisy);
            }
        }
    }
}
