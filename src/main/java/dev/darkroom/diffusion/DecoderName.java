package dev.darkroom.diffusion;

/** The decoders on offer, by the names that requests use. */
public enum DecoderName implements Labelled {
    /** The checkpoint's own VAE decoder, diffusers' {@code AutoencoderKL}. */
    FULL("full"),
    /** The Tiny VAE (TAESD), diffusers' {@code AutoencoderTiny}. */
    TINY("tiny");

    private final String label;

    DecoderName(String label) {
        this.label = label;
    }

    @Override
    public String label() {
        return label;
    }
}
