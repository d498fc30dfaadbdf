package dev.darkroom.contract;

import com.fasterxml.jackson.annotation.JsonValue;

/** The file formats of images, by the names that requests use. All carry the generation parameters. */
public enum ImageFormat {
    /** Lossless. */
    PNG("png", "png", "image/png"),
    /** Lossy, quality 0.92, smallest to decode anywhere. */
    JPEG("jpeg", "jpg", "image/jpeg"),
    /** Lossy, quality 0.9, smaller than JPEG at the same quality. */
    WEBP("webp", "webp", "image/webp");

    private final String label;
    private final String extension;
    private final String contentType;

    ImageFormat(String label, String extension, String contentType) {
        this.label = label;
        this.extension = extension;
        this.contentType = contentType;
    }

    /** The name in requests and events. */
    @JsonValue
    public String label() {
        return label;
    }

    /** File name extension, without the dot. */
    public String extension() {
        return extension;
    }

    /** Media type. */
    public String contentType() {
        return contentType;
    }
}
