package dev.darkroom.diffusion;

/**
 * How images start from pictures instead of from noise alone, as diffusers' {@code StableDiffusionImg2ImgPipeline} and, for
 * UNets that do not see the mask, {@code StableDiffusionInpaintPipeline} have it.
 *
 * @param strength how much of a picture is given up, up to 1: the fraction of the steps that run, the last ones
 * @param masked whether masks say which parts of the pictures are made anew
 */
public record ImageToImage(double strength, boolean masked) {

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
