package dev.darkroom.diffusion;

/**
 * One image to generate.
 *
 * @param prompt what the image shows
 * @param negativePrompt what it must not show; empty for nothing
 * @param seed seed of the image's noise, as in {@code torch.Generator("cpu").manual_seed(seed)}
 */
public record ImagePrompt(String prompt, String negativePrompt, long seed) {
}
