package dev.darkroom.diffusion;

import java.util.Optional;

/**
 * One image to generate.
 *
 * @param prompt what the image shows
 * @param negativePrompt what it must not show; empty for nothing
 * @param syntax how both are read
 * @param source picture that the image starts from; empty if it starts from noise
 * @param seed seed of the image's noise, as in {@code torch.Generator("cpu").manual_seed(seed)}
 */
public record ImagePrompt(String prompt, String negativePrompt, PromptSyntax syntax, Optional<SourceImage> source,
        long seed) {

    /** @throws UnsupportedParametersException for a weight that is not on offer */
    public ImagePrompt {
        if (syntax == PromptSyntax.WEIGHTED) {
            requireWeights("prompt", prompt);
            requireWeights("negativePrompt", negativePrompt);
        }
    }

    /** An image that starts from noise. */
    public ImagePrompt(String prompt, String negativePrompt, PromptSyntax syntax, long seed) {
        this(prompt, negativePrompt, syntax, Optional.empty(), seed);
    }

    /** An image that starts from noise, its prompts plain. */
    public ImagePrompt(String prompt, String negativePrompt, long seed) {
        this(prompt, negativePrompt, PromptSyntax.PLAIN, seed);
    }

    /** The same image, started from a picture. */
    public ImagePrompt startingFrom(SourceImage picture) {
        return new ImagePrompt(prompt, negativePrompt, syntax, Optional.of(picture), seed);
    }

    private static void requireWeights(String field, String text) {
        try {
            WeightedPrompt.parse(text);
        } catch (IllegalArgumentException e) {
            throw new UnsupportedParametersException(field, "In the " + field + " " + e.getMessage() + ".");
        }
    }
}
