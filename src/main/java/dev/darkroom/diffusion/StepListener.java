package dev.darkroom.diffusion;

/** Told of every finished denoising step, on the generating thread; it must return at once. */
@FunctionalInterface
public interface StepListener {

    /** A listener that ignores every step. */
    StepListener NONE = (step, total) -> {
    };

    /**
     * @param step steps that are done, from 1
     * @param total steps in all
     */
    void onStep(int step, int total);
}
