package dev.darkroom.contract;

/**
 * An adapter of the worker's model bundle, in a request and in what an event says of its images.
 *
 * @param name by which the bundle has it
 * @param scale how much of it is added to the weights, from -4 to 4
 */
public record Adapter(String name, double scale) {
}
