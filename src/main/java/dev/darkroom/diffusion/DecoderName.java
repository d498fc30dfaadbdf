package dev.darkroom.diffusion;

/** The decoders on offer, by the names that requests use. */
public enum DecoderName {
    /** The checkpoint's own VAE decoder, diffusers' {@code AutoencoderKL}. */
    FULL("full"),
    /** The Tiny VAE (TAESD), diffusers' {@code AutoencoderTiny}. */
    TINY("tiny");

    private final String label;

    DecoderName(String label) {
        this.label = label;
    }

    /** The name in requests and events. */
    public String label() {
        return label;
    }
}
