package dev.darkroom.diffusion;

/**
 * What one denoising step is made of, as the model bundle's step module takes it:
 *
 * <pre>
 * eps      = UNet(inputScale * sample, timestep)
 * denoised = a * sample + b * eps
 * next     = p * sample + q * denoised + r * previous + s * noise
 * </pre>
 *
 * where {@code previous} is the {@code denoised} of the step before and {@code noise} is standard normal.
 */
public record StepCoefficients(
        double timestep, double inputScale, double a, double b, double p, double q, double r, double s) {

    /** How many numbers the step module takes. */
    public static final int COUNT = 9;

    /** The numbers in the order of the step module, in its single precision. */
    public float[] withGuidance(double scale) {
        return new float[] {
            (float) timestep, (float) inputScale, (float) scale,
            (float) a, (float) b, (float) p, (float) q, (float) r, (float) s
        };
    }
}
