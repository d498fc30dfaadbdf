package dev.darkroom.diffusion;

/**
 * DPM-Solver++ (2M), diffusers' {@code DPMSolverMultistepScheduler} with {@code dpmsolver++}, order 2, midpoint
 * (Lu et al. 2022, arXiv:2211.01095, algorithm 2). Latents are variance-preserving:
 * {@code x = alpha * x0 + alpha * sigma * noise} with {@code alpha = 1 / sqrt(1 + sigma²)}.
 */
public record DpmSolverMultistep(double[] timesteps, double[] sigmas) implements Scheduler {

    public static DpmSolverMultistep of(NoiseSchedule schedule, int steps) {
        double[] timesteps = timesteps(schedule, steps);
        return new DpmSolverMultistep(timesteps, schedule.sigmasAt(timesteps));
    }

    private static double[] timesteps(NoiseSchedule schedule, int steps) {
        double[] timesteps = new double[steps];
        for (int i = 0; i < steps; i++) {
            int fromEnd = steps - i;
            timesteps[i] = switch (schedule.spacing(TimestepSpacing.LINSPACE)) {
                case LEADING -> fromEnd * (schedule.trainTimesteps() / (steps + 1)) + schedule.stepsOffset();
                case LINSPACE -> Math.rint(fromEnd * ((schedule.trainTimesteps() - 1) / (double) steps));
                case TRAILING -> schedule.trailing(i, steps);
            };
        }
        return timesteps;
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
        return new DpmSolverMultistep(NoiseSchedule.last(timesteps, steps), NoiseSchedule.last(sigmas, steps + 1));
    }

    @Override
    public StepCoefficients coefficients(int step) {
        double from = sigmas[step];
        double to = sigmas[step + 1];
        double slope = isFirstOrder(step)
                ? 0 : 0.5 * gain(from, to) * Math.log(from / to) / Math.log(sigmas[step - 1] / from);
        return between(timesteps[step], from, to, slope);
    }

    /**
     * A step between two noise levels of variance-preserving latents.
     *
     * @param slope how far it goes beyond what the denoised sample alone gives, along its change since the step before; 0 is
     *     a step of first order, as {@link Ddim}'s are
     */
    static StepCoefficients between(double timestep, double from, double to, double slope) {
        double alphaFrom = NoiseSchedule.alpha(from);
        double alphaTo = NoiseSchedule.alpha(to);
        return new StepCoefficients(timestep, 1, 1 / alphaFrom, -from,
                alphaTo * to / (alphaFrom * from), gain(from, to) + slope, -slope, 0);
    }

    /** What a step takes of the denoised sample. lambda = -log(sigma), so exp(-h) is the ratio of the noise levels. */
    private static double gain(double from, double to) {
        return NoiseSchedule.alpha(to) * (1 - to / from);
    }

    /** The first step has no step before it; the last ends at sigma 0, where the second order is not defined. */
    private boolean isFirstOrder(int step) {
        return step == 0 || step == steps() - 1;
    }
}
