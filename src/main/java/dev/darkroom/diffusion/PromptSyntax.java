package dev.darkroom.diffusion;

/** How prompts are read. */
public enum PromptSyntax implements Labelled {
    /** As words, brackets among them. */
    PLAIN("plain"),
    /** With emphasis, see {@link WeightedPrompt}. */
    WEIGHTED("weighted");

    private final String label;

    PromptSyntax(String label) {
        this.label = label;
    }

    @Override
    public String label() {
        return label;
    }
}
