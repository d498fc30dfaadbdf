package dev.darkroom.diffusion;

/**
 * Told of every denoising step, on the generating thread; it must return at once. On a GPU a step is told when the device
 * has it to do: the telling runs ahead of the device by at most one batch's steps.
 */
@FunctionalInterface
public interface StepListener {

    /** A listener that ignores every step. */
    StepListener NONE = (step, total) -> {
    };

    /**
     * @param step steps that are done or handed to the device, from 1
     * @param total steps in all
     */
    void onStep(int step, int total);
}
