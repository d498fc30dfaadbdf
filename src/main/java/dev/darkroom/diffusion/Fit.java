package dev.darkroom.diffusion;

/** How a picture of another shape than the image's is brought to its size. */
public enum Fit implements Labelled {
    /** Scaled until it covers the image, its middle kept. */
    CROP("crop"),
    /** Scaled until all of it is in the image; what is left over is white, and with a mask made anew. */
    CONTAIN("contain");

    private final String label;

    Fit(String label) {
        this.label = label;
    }

    @Override
    public String label() {
        return label;
    }
}
