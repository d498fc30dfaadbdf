package dev.darkroom.contract;

/**
 * What the model's safety checker says of one image.
 *
 * @param flagged whether it is one that diffusers would have made black
 * @param score by how much it is nearer to a concept than that concept's threshold, the most of all concepts; above 0 if and
 *     only if it is flagged
 */
public record Safety(boolean flagged, double score) {
}
