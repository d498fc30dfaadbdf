package dev.darkroom.diffusion;

import java.util.OptionalDouble;

/**
 * How images start from pictures instead of from noise alone, as diffusers' {@code StableDiffusionImg2ImgPipeline} and, for
 * UNets that do not see the mask, {@code StableDiffusionInpaintPipeline} have it.
 *
 * @param strength how much of a picture is given up, up to 1: the fraction of the steps that run, the last ones
 * @param masked whether masks say which parts of the pictures are made anew
 */
public record ImageToImage(double strength, boolean masked) {

    /** diffusers' own strengths, without a mask and with one. */
    private static final double STRENGTH = 0.8;
    private static final double STRENGTH_WITH_MASK = 1;

    /** At the strength that there is unless one is asked for. */
    public static ImageToImage ofStrength(OptionalDouble strength, boolean masked) {
        return new ImageToImage(strength.orElse(masked ? STRENGTH_WITH_MASK : STRENGTH), masked);
    }

    /** @throws UnsupportedParametersException for a strength that is not above 0 and up to 1 */
    public ImageToImage {
        if (!(strength > 0 && strength <= 1)) {
            throw new UnsupportedParametersException("image.strength",
                    "image.strength is " + strength + "; it must be above 0 and at most 1.");
        }
    }

    /** How many of the steps run. */
    public int steps(int steps) {
        return (int) (steps * strength);
    }
}
