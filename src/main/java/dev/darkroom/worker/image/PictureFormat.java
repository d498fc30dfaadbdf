package dev.darkroom.worker.image;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** The formats in which pictures may come, told by how a file begins. */
public enum PictureFormat {
    PNG("png"),
    JPEG("jpeg"),
    WEBP("webp");

    private static final byte[] PNG_BEGINS = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    private static final byte[] JPEG_BEGINS = {(byte) 0xff, (byte) 0xd8, (byte) 0xff};
    private static final byte[] RIFF = "RIFF".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] WEBP_IN_RIFF = "WEBP".getBytes(StandardCharsets.US_ASCII);
    private static final int RIFF_HEADER = 8;

    private final String reader;

    PictureFormat(String reader) {
        this.reader = reader;
    }

    /** The name by which Image I/O has its reader. */
    String reader() {
        return reader;
    }

    /** As {@code image/png}. */
    public String mediaType() {
        return "image/" + reader;
    }

    /** A file's format; empty if it is none of these. */
    public static Optional<PictureFormat> of(byte[] file) {
        if (begins(file, 0, PNG_BEGINS)) {
            return Optional.of(PNG);
        }
        if (begins(file, 0, JPEG_BEGINS)) {
            return Optional.of(JPEG);
        }
        return begins(file, 0, RIFF) && begins(file, RIFF_HEADER, WEBP_IN_RIFF) ? Optional.of(WEBP) : Optional.empty();
    }

    private static boolean begins(byte[] file, int at, byte[] with) {
        return file.length >= at + with.length && Arrays.equals(file, at, at + with.length, with, 0, with.length);
    }
}
