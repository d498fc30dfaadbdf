package dev.darkroom.contract;

import com.fasterxml.jackson.annotation.JsonValue;

/** The file formats of images, by the names that requests use. */
public enum ImageFormat {
    /** Lossless, with the generation parameters in a text chunk. */
    PNG("png"),
    /** Lossy, smallest to decode anywhere. */
    JPEG("jpeg"),
    /** Lossy, smaller than JPEG at the same quality. */
    WEBP("webp");

    private final String label;

    ImageFormat(String label) {
        this.label = label;
    }

    /** The name in requests and events. */
    @JsonValue
    public String label() {
        return label;
    }
}
