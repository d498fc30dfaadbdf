package dev.darkroom.diffusion;

/**
 * Ancestral sampling with Euler steps, diffusers' {@code EulerAncestralDiscreteScheduler} (k-diffusion's
 * {@code sample_euler_ancestral}). Latents are variance-exploding: {@code x = x0 + sigma * noise}.
 */
public record EulerAncestralDiscrete(double[] timesteps, double[] sigmas, double initNoiseSigma) implements Scheduler {

    public static EulerAncestralDiscrete of(NoiseSchedule schedule, int steps) {
        double[] timesteps = timesteps(schedule, steps);
        double[] sigmas = schedule.sigmasAt(timesteps);
        double initNoiseSigma = switch (schedule.spacing(TimestepSpacing.LINSPACE)) {
            case LEADING -> Math.sqrt(sigmas[0] * sigmas[0] + 1);
            case LINSPACE, TRAILING -> sigmas[0];
        };
        return new EulerAncestralDiscrete(timesteps, sigmas, initNoiseSigma);
    }

    private static double[] timesteps(NoiseSchedule schedule, int steps) {
        double[] timesteps = new double[steps];
        for (int i = 0; i < steps; i++) {
            int fromEnd = steps - 1 - i;
            timesteps[i] = switch (schedule.spacing(TimestepSpacing.LINSPACE)) {
                case LEADING -> fromEnd * (schedule.trainTimesteps() / steps) + schedule.stepsOffset();
                case LINSPACE -> steps == 1
                        ? 0 : (float) (fromEnd * ((schedule.trainTimesteps() - 1) / (double) (steps - 1)));
                case TRAILING -> schedule.trailing(i, steps);
            };
        }
        return timesteps;
    }

    @Override
    public boolean isAncestral() {
        return true;
    }

    /** Latents are variance-exploding. */
    @Override
    public double imageScale(int step) {
        return 1;
    }

    @Override
    public Scheduler last(int steps) {
        return new EulerAncestralDiscrete(
                NoiseSchedule.last(timesteps, steps), NoiseSchedule.last(sigmas, steps + 1), initNoiseSigma);
    }

    @Override
    public StepCoefficients coefficients(int step) {
        double from = sigmas[step];
        double to = sigmas[step + 1];
        double up = Math.sqrt(to * to * (from * from - to * to) / (from * from));
        double down = Math.sqrt(to * to - up * up);
        double inputScale = 1 / Math.sqrt(from * from + 1);
        return new StepCoefficients(timesteps[step], inputScale, 1, -from, down / from, 1 - down / from, 0, up);
    }
}
