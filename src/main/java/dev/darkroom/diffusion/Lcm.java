package dev.darkroom.diffusion;

/**
 * Multistep sampling of a latent consistency model, diffusers' {@code LCMScheduler} (Luo et al. 2023, arXiv:2310.04378,
 * algorithm 3): every step predicts the image, and all but the last add fresh noise to it. For models that were distilled
 * for it, in 1 to 8 steps without guidance. Latents are variance-preserving, as {@link Ddim}'s.
 *
 * @param sigmas noise level at the start of each step; the last is followed by 0
 */
public record Lcm(double[] timesteps, double[] sigmas) implements Scheduler {

    /** The steps of the schedule that the distillation went by, diffusers' {@code original_inference_steps}. */
    public static final int ORIGINAL_STEPS = 50;

    /** Standard deviation of the data and scale of the timestep in the boundary condition. */
    private static final double SIGMA_DATA = 0.5;
    private static final double TIMESTEP_SCALING = 10;

    /**
     * @param steps from 1 to {@link #ORIGINAL_STEPS}
     */
    public static Lcm of(NoiseSchedule schedule, int steps) {
        int stride = schedule.trainTimesteps() / ORIGINAL_STEPS;
        double[] timesteps = new double[steps];
        double[] sigmas = new double[steps + 1];
        for (int i = 0; i < steps; i++) {
            int skipped = (int) (i * ((double) ORIGINAL_STEPS / steps));
            timesteps[i] = (ORIGINAL_STEPS - skipped) * stride - 1;
            sigmas[i] = schedule.sigmaAt(timesteps[i]);
        }
        return new Lcm(timesteps, sigmas);
    }

    @Override
    public double initNoiseSigma() {
        return 1;
    }

    @Override
    public boolean isAncestral() {
        return true;
    }

    /** Latents are variance-preserving. */
    @Override
    public double imageScale(int step) {
        return NoiseSchedule.alpha(sigmas[step]);
    }

    @Override
    public Scheduler last(int steps) {
        return new Lcm(NoiseSchedule.last(timesteps, steps), NoiseSchedule.last(sigmas, steps + 1));
    }

    @Override
    public StepCoefficients coefficients(int step) {
        double sigma = sigmas[step];
        double scaled = TIMESTEP_SCALING * timesteps[step];
        double variance = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        double skip = SIGMA_DATA * SIGMA_DATA / variance;
        double out = scaled / Math.sqrt(variance);
        // at sigma 0, the end, alpha is 1 and there is no noise
        double to = sigmas[step + 1];
        double alphaTo = NoiseSchedule.alpha(to);
        return new StepCoefficients(timesteps[step], 1, skip + out / NoiseSchedule.alpha(sigma), -out * sigma,
                0, alphaTo, 0, alphaTo * to);
    }
}
