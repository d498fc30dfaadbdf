package dev.darkroom.diffusion;

/**
 * Classifier-free guidance (Ho and Salimans 2022) with a dynamic cutoff: the first steps run the UNet on the
 * unconditional and the conditional embeddings, the rest on the conditional ones alone.
 *
 * @param scale diffusers' {@code guidance_scale}
 * @param guidedSteps how many steps are guided, counted from the first
 */
public record Guidance(double scale, int guidedSteps) {

    /**
     * @param cutoff fraction of the steps; at the end of step {@code ⌊cutoff * steps⌋}, counted from 0, the
     *     unconditional branch is dropped, as diffusers' {@code callback_on_step_end} drops it
     */
    public static Guidance of(double scale, double cutoff, int steps) {
        if (scale <= 1) {
            return new Guidance(scale, 0);
        }
        return new Guidance(scale, Math.min(steps, (int) (cutoff * steps) + 1));
    }

    /** Of the steps that run, as diffusers' {@code num_timesteps} counts them. */
    public static Guidance of(GenerationParameters parameters) {
        return of(parameters.guidanceScale(), parameters.guidanceCutoff(), parameters.stepsToRun());
    }

    /** Whether this step, counted from 0, is guided. */
    public boolean guides(int step) {
        return step < guidedSteps;
    }
}
