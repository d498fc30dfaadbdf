package dev.darkroom.diffusion;

/** What becomes of images that a bundle's safety checker flags, by the names that settings and commands use. */
public enum SafetyPolicy implements Labelled {
    /** No image is looked at. */
    OFF("off"),
    /** Each image says whether it is flagged. */
    FLAG("flag"),
    /** The same, and a flagged image is not kept: its pixels go nowhere. */
    WITHHOLD("withhold");

    private final String label;

    SafetyPolicy(String label) {
        this.label = label;
    }

    @Override
    public String label() {
        return label;
    }

    /** Whether images are looked at. */
    public boolean checks() {
        return this != OFF;
    }

    /** Whether an image is kept. */
    public boolean keeps(boolean flagged) {
        return this != WITHHOLD || !flagged;
    }
}
