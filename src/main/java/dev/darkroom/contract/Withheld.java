package dev.darkroom.contract;

/**
 * An image that was generated and not stored, since the safety checker flagged it and the worker withholds such images.
 *
 * @param seed the seed that its noise was drawn from
 * @param safety what the safety checker says of it
 */
public record Withheld(long seed, Safety safety) {
}
