package dev.darkroom.worker.image;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Which way up a picture is. Read here, since of a stranger's file this one number is all that is wanted: libraries read, inflate
 * and parse everything that lies beside it.
 */
final class ExifOrientation {

    private static final int UPRIGHT = 1;
    private static final int LARGEST = 8;

    private static final int ORIENTATION = 0x0112;
    private static final int TYPE_SHORT = 3;
    private static final int ENTRY = 12;
    private static final short LITTLE_ENDIAN = 0x4949;
    private static final short TIFF = 42;

    private static final byte[] EXIF_SEGMENT = "Exif\0\0".getBytes(StandardCharsets.US_ASCII);
    private static final int PNG_HEADER = 8;
    private static final int WEBP_HEADER = 12;
    private static final int JPEG_HEADER = 2;
    private static final int MARKER = 0xff;
    private static final int APP1 = 0xe1;
    private static final int START_OF_SCAN = 0xda;

    private ExifOrientation() {
    }

    /** The orientation by Exif's numbers: 1 is upright, as is what says nothing of it or something else. */
    static int of(PictureFormat format, byte[] file) {
        try {
            ByteBuffer exif = switch (format) {
                case PNG -> inPng(ByteBuffer.wrap(file).position(PNG_HEADER));
                case JPEG -> inJpeg(ByteBuffer.wrap(file).position(JPEG_HEADER));
                case WEBP -> inWebp(ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).position(WEBP_HEADER));
            };
            int orientation = exif.hasRemaining() ? inTiff(exif) : UPRIGHT;
            return orientation >= UPRIGHT && orientation <= LARGEST ? orientation : UPRIGHT;
        } catch (BufferUnderflowException | IllegalArgumentException | IndexOutOfBoundsException e) {
            // Cut off, or it points out of itself
            return UPRIGHT;
        }
    }

    private static ByteBuffer inPng(ByteBuffer file) {
        while (file.hasRemaining()) {
            int length = file.getInt();
            boolean exif = file.getInt() == 0x65584966;
            if (exif) {
                return part(file, length);
            }
            // And the checksum behind it
            skip(file, length + 4L);
        }
        return file;
    }

    private static ByteBuffer inWebp(ByteBuffer file) {
        while (file.hasRemaining()) {
            boolean exif = file.getInt() == 0x46495845;
            int length = file.getInt();
            if (exif) {
                ByteBuffer chunk = part(file, length);
                // As JPEG's segments begin, with which some writers begin here, too
                return begins(chunk) ? chunk.position(EXIF_SEGMENT.length).slice() : chunk;
            }
            skip(file, length + length % 2L);
        }
        return file;
    }

    private static ByteBuffer inJpeg(ByteBuffer file) {
        while (file.hasRemaining() && (file.get() & 0xff) == MARKER) {
            int marker = file.get() & 0xff;
            if (marker == MARKER) {
                // Filled up: the marker is behind
                file.position(file.position() - 1);
            } else if (marker == START_OF_SCAN) {
                break;
            } else {
                int length = (file.getShort() & 0xffff) - 2;
                ByteBuffer segment = part(file, length);
                if (marker == APP1 && begins(segment)) {
                    return segment.position(EXIF_SEGMENT.length).slice();
                }
                skip(file, length);
            }
        }
        return file.limit(file.position());
    }

    private static boolean begins(ByteBuffer part) {
        byte[] begin = new byte[Math.min(EXIF_SEGMENT.length, part.remaining())];
        part.duplicate().get(begin);
        return Arrays.equals(begin, EXIF_SEGMENT);
    }

    private static ByteBuffer part(ByteBuffer file, int length) {
        return file.slice(file.position(), length);
    }

    private static void skip(ByteBuffer file, long bytes) {
        if (bytes < 0 || bytes > file.remaining()) {
            throw new BufferUnderflowException();
        }
        file.position(file.position() + (int) bytes);
    }

    private static int inTiff(ByteBuffer tiff) {
        if (tiff.getShort(0) == LITTLE_ENDIAN) {
            tiff.order(ByteOrder.LITTLE_ENDIAN);
        }
        if (tiff.getShort(2) != TIFF) {
            return UPRIGHT;
        }
        int directory = tiff.getInt(4);
        int entries = tiff.getShort(directory) & 0xffff;
        for (int i = 0; i < entries; i++) {
            int entry = directory + 2 + i * ENTRY;
            if ((tiff.getShort(entry) & 0xffff) == ORIENTATION) {
                return tiff.getShort(entry + 2) == TYPE_SHORT ? tiff.getShort(entry + 8) & 0xffff : UPRIGHT;
            }
        }
        return UPRIGHT;
    }
}
