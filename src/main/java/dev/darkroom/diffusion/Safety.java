package dev.darkroom.diffusion;

/**
 * What a safety checker says of one image.
 *
 * @param flagged whether diffusers' {@code StableDiffusionSafetyChecker} would have made it black
 * @param score by how much the image is nearer to a concept than that concept's threshold, the most of all concepts, as a
 *     cosine to three decimals; above 0 if and only if the image is flagged
 */
public record Safety(boolean flagged, double score) {

    private static final double THOUSAND = 1_000;

    /** Of a score that has been through single precision. */
    public static Safety of(float score) {
        return new Safety(score > 0, Math.round(score * THOUSAND) / THOUSAND);
    }
}
