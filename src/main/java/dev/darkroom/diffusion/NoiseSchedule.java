package dev.darkroom.diffusion;

import java.util.Arrays;
import java.util.Optional;

/**
 * The noise levels that the model was trained on, and where the inference steps fall among them. Variance-preserving
 * diffusion with scaled-linear betas, after diffusers' schedulers.
 */
public final class NoiseSchedule {

    private final Optional<TimestepSpacing> spacing;
    private final int stepsOffset;
    private final float[] sigmas;

    /** @throws IllegalArgumentException for a schedule of another kind, with a sentence that names the value */
    public NoiseSchedule(SchedulerConfig config) {
        require("betaSchedule", config.betaSchedule(), "scaled_linear");
        require("predictionType", config.predictionType(), "epsilon");
        if (config.trainTimesteps() < 2) {
            throw new IllegalArgumentException("scheduler.trainTimesteps is " + config.trainTimesteps()
                    + "; it must be at least 2.");
        }
        spacing = config.timestepSpacing().map(NoiseSchedule::spacing);
        stepsOffset = config.stepsOffset();
        sigmas = trainedSigmas(config.betaStart(), config.betaEnd(), config.trainTimesteps());
    }

    private static TimestepSpacing spacing(String label) {
        return Labelled.find(TimestepSpacing.class, label).orElseThrow(() -> new IllegalArgumentException(
                "scheduler.timestepSpacing is " + label + "; this worker knows " + Labelled.all(TimestepSpacing.class) + "."));
    }

    private static void require(String field, String value, String known) {
        if (!known.equals(value)) {
            throw new IllegalArgumentException("scheduler." + field + " is " + value + "; this worker knows "
                    + known + ".");
        }
    }

    /**
     * {@code sqrt((1 - alphas_cumprod) / alphas_cumprod)} for every trained timestep. diffusers keeps this table in
     * single precision, where {@code 1 - alphas_cumprod} loses digits at the small timesteps; the same image takes the
     * same digits, so the table is rounded where diffusers rounds it.
     */
    private static float[] trainedSigmas(double betaStart, double betaEnd, int count) {
        float start = (float) Math.sqrt(betaStart);
        float end = (float) Math.sqrt(betaEnd);
        float increment = (end - start) / (count - 1);
        float[] sigmas = new float[count];
        double alphasCumprod = 1;
        for (int t = 0; t < count; t++) {
            float root = t < count / 2 ? start + increment * t : end - increment * (count - t - 1);
            alphasCumprod *= 1f - root * root;
            float rounded = (float) alphasCumprod;
            sigmas[t] = (float) Math.sqrt((1f - rounded) / rounded);
        }
        return sigmas;
    }

    /** @param schedulers the scheduler's own, which it goes by where the checkpoint names none */
    TimestepSpacing spacing(TimestepSpacing schedulers) {
        return spacing.orElse(schedulers);
    }

    int stepsOffset() {
        return stepsOffset;
    }

    int trainTimesteps() {
        return sigmas.length;
    }

    /** The timestep of a step, counted from 0, where the spacing is trailing; the same for every scheduler. */
    double trailing(int step, int steps) {
        return Math.rint(trainTimesteps() - step * ((double) trainTimesteps() / steps)) - 1;
    }

    /**
     * The noise level at each timestep, between trained ones interpolated, followed by 0: diffusers' {@code sigmas}
     * after {@code set_timesteps}, single precision included.
     */
    double[] sigmasAt(double[] timesteps) {
        double[] result = new double[timesteps.length + 1];
        for (int i = 0; i < timesteps.length; i++) {
            result[i] = sigmaAt(timesteps[i]);
        }
        return result;
    }

    /** The noise level at a timestep, between trained ones interpolated; before the first and after the last, theirs. */
    double sigmaAt(double timestep) {
        double clamped = Math.max(0, Math.min(sigmas.length - 1, timestep));
        int below = (int) clamped;
        int above = Math.min(below + 1, sigmas.length - 1);
        return (float) (sigmas[below] + (clamped - below) * ((double) sigmas[above] - sigmas[below]));
    }

    /** The last values, as many as are asked for. */
    static double[] last(double[] values, int count) {
        return Arrays.copyOfRange(values, values.length - count, values.length);
    }

    /** {@code sqrt(alphas_cumprod)} at a noise level: how much of the image is left in variance-preserving latents. */
    static double alpha(double sigma) {
        return 1 / Math.sqrt(sigma * sigma + 1);
    }
}
