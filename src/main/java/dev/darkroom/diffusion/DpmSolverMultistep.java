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
            timesteps[i] = switch (schedule.spacing()) {
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

    @Override
    public StepCoefficients coefficients(int step) {
        double from = sigmas[step];
        double to = sigmas[step + 1];
        double alphaFrom = NoiseSchedule.alpha(from);
        double alphaTo = NoiseSchedule.alpha(to);
        // lambda = -log(sigma), so exp(-h) is the ratio of the noise levels
        double gain = alphaTo * (1 - to / from);
        double slope = isFirstOrder(step) ? 0 : 0.5 * gain * Math.log(from / to) / Math.log(sigmas[step - 1] / from);
        return new StepCoefficients(timesteps[step], 1, 1 / alphaFrom, -from,
                alphaTo * to / (alphaFrom * from), gain + slope, -slope, 0);
    }

    /** The first step has no step before it; the last ends at sigma 0, where the second order is not defined. */
    private boolean isFirstOrder(int step) {
        return step == 0 || step == steps() - 1;
    }
}
