package dev.darkroom.diffusion;

/**
 * A way from noise to latents in a given number of steps. Immutable; the step's arithmetic itself runs in the model,
 * a scheduler supplies its coefficients. The arrays are its own, for reading only.
 */
public interface Scheduler {

    /** How many inference steps there are. */
    default int steps() {
        return timesteps().length;
    }

    /** The timestep of each step, falling. */
    double[] timesteps();

    /** The noise level at the start of each step and, as the last element, at the end: {@code steps + 1} values. */
    double[] sigmas();

    /** Standard deviation of the initial latents. */
    double initNoiseSigma();

    /** Whether each step draws fresh noise. */
    boolean isAncestral();

    /**
     * How much of an image is in latents at the start of a step; of standard normal noise it is that times the noise level.
     * With it, {@code imageScale * (image + sigma * noise)} is diffusers' {@code add_noise}.
     *
     * @param step from 0 to {@code steps() - 1}
     */
    double imageScale(int step);

    /**
     * The same way, begun later.
     *
     * @param steps how many of the last steps are left; a scheduler that looks back has nothing to look back at in the first
     */
    Scheduler last(int steps);

    /**
     * The coefficients of one step.
     *
     * @param step from 0 to {@code steps() - 1}
     */
    StepCoefficients coefficients(int step);
}
