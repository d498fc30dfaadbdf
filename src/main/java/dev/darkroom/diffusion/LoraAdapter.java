package dev.darkroom.diffusion;

/**
 * An adapter of the bundle, and how much of it is added to the weights.
 *
 * @param name by which the bundle has it
 * @param scale diffusers' adapter weight, from -{@value #LARGEST_SCALE} to {@value #LARGEST_SCALE}; 1 is the LoRA as it was
 *     trained
 */
public record LoraAdapter(String name, double scale) {

    public static final double LARGEST_SCALE = 4;

    /** @throws UnsupportedParametersException for a scale beyond the largest, in either direction */
    public LoraAdapter {
        if (!(Math.abs(scale) <= LARGEST_SCALE)) {
            throw new UnsupportedParametersException("adapters", "The scale of the adapter " + name + " is " + scale
                    + "; it must be from " + -LARGEST_SCALE + " to " + LARGEST_SCALE + ".");
        }
    }

    @Override
    public String toString() {
        return name + ":" + scale;
    }
}
