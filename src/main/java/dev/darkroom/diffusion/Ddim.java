package dev.darkroom.diffusion;

/**
 * Denoising diffusion implicit models, diffusers' {@code DDIMScheduler} with {@code eta} 0 (Song et al. 2021,
 * arXiv:2010.02502, equation 12), with Stable Diffusion 1's {@code set_alpha_to_one=False}: the last step ends at the
 * first trained noise level. Latents are variance-preserving: {@code x = alpha * x0 + alpha * sigma * noise} with
 * {@code alpha = 1 / sqrt(1 + sigma²)}.
 *
 * @param sigmas noise level at the start of each step, and at the end of the last
 * @param ends noise level at the end of each step: diffusers goes {@code trainTimesteps / steps} back, which with some
 *     spacings is not where the next step starts
 */
public record Ddim(double[] timesteps, double[] sigmas, double[] ends) implements Scheduler {

    public static Ddim of(NoiseSchedule schedule, int steps) {
        int stride = schedule.trainTimesteps() / steps;
        double[] timesteps = new double[steps];
        double[] sigmas = new double[steps + 1];
        double[] ends = new double[steps];
        for (int i = 0; i < steps; i++) {
            int fromEnd = steps - 1 - i;
            timesteps[i] = switch (schedule.spacing(TimestepSpacing.LEADING)) {
                case LEADING -> fromEnd * stride + schedule.stepsOffset();
                case LINSPACE -> steps == 1
                        ? 0 : Math.rint(fromEnd * ((schedule.trainTimesteps() - 1) / (double) (steps - 1)));
                case TRAILING -> schedule.trailing(i, steps);
            };
            sigmas[i] = schedule.sigmaAt(timesteps[i]);
            ends[i] = schedule.sigmaAt(timesteps[i] - stride);
        }
        sigmas[steps] = ends[steps - 1];
        return new Ddim(timesteps, sigmas, ends);
    }

    @Override
    public double initNoiseSigma() {
        return 1;
    }

    @Override
    public boolean isAncestral() {
        return false;
    }

    /** Latents are variance-preserving. */
    @Override
    public double imageScale(int step) {
        return NoiseSchedule.alpha(sigmas[step]);
    }

    @Override
    public Scheduler last(int steps) {
        return new Ddim(NoiseSchedule.last(timesteps, steps), NoiseSchedule.last(sigmas, steps + 1),
                NoiseSchedule.last(ends, steps));
    }

    @Override
    public StepCoefficients coefficients(int step) {
        return DpmSolverMultistep.between(timesteps[step], sigmas[step], ends[step], 0);
    }
}
