package dev.darkroom.event;

import com.fasterxml.jackson.annotation.JsonValue;

/** The file formats of images, by the names that requests use. */
public enum ImageFormat {
    /** Lossless, with the generation parameters in a text chunk. */
    PNG("png", "image/png"),
    /** Lossy, smallest to decode anywhere. */
    JPEG("jpeg", "image/jpeg"),
    /** Lossy, smaller than JPEG at the same quality. */
    WEBP("webp", "image/webp");

    private final String label;
    private final String contentType;

    ImageFormat(String label, String contentType) {
        this.label = label;
        this.contentType = contentType;
    }

    /** The name in requests and events, and the extension of a file's name. */
    @JsonValue
    public String label() {
        return label;
    }

    /** The media type. */
    public String contentType() {
        return contentType;
    }
}
