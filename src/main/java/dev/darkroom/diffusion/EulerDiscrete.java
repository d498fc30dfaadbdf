package dev.darkroom.diffusion;

/**
 * Euler steps along the probability-flow ODE, diffusers' {@code EulerDiscreteScheduler} (k-diffusion's
 * {@code sample_euler}; Karras et al. 2022, arXiv:2206.00364, algorithm 2 without churn). Latents are variance-exploding:
 * {@code x = x0 + sigma * noise}.
 */
public record EulerDiscrete(double[] timesteps, double[] sigmas, double initNoiseSigma) implements Scheduler {

    public static EulerDiscrete of(NoiseSchedule schedule, int steps) {
        EulerAncestralDiscrete same = EulerAncestralDiscrete.of(schedule, steps);
        return new EulerDiscrete(same.timesteps(), same.sigmas(), same.initNoiseSigma());
    }

    @Override
    public boolean isAncestral() {
        return false;
    }

    /** Latents are variance-exploding. */
    @Override
    public double imageScale(int step) {
        return 1;
    }

    @Override
    public Scheduler last(int steps) {
        return new EulerDiscrete(NoiseSchedule.last(timesteps, steps), NoiseSchedule.last(sigmas, steps + 1), initNoiseSigma);
    }

    @Override
    public StepCoefficients coefficients(int step) {
        double from = sigmas[step];
        double decay = sigmas[step + 1] / from;
        return new StepCoefficients(timesteps[step], 1 / Math.sqrt(from * from + 1), 1, -from, decay, 1 - decay, 0, 0);
    }
}
