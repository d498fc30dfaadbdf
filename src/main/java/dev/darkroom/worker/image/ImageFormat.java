package dev.darkroom.worker.image;

/** The formats that images are stored in. */
public enum ImageFormat {
    /** Lossless, with the generation parameters in its text chunk {@code parameters}. */
    PNG("png", "image/png"),
    /** Lossy, quality 0.92. */
    JPEG("jpg", "image/jpeg"),
    /** Lossy, quality 0.9. */
    WEBP("webp", "image/webp");

    private final String extension;
    private final String contentType;

    ImageFormat(String extension, String contentType) {
        this.extension = extension;
        this.contentType = contentType;
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
