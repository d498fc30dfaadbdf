package dev.darkroom.diffusion;

/**
 * An adapter that a bundle has.
 *
 * @param fewSteps whether it makes the weights draw in few steps without guidance, as LCM-LoRA does
 */
public record AdapterDescription(String name, boolean fewSteps) {
}
