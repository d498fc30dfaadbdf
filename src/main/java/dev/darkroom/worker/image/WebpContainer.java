package dev.darkroom.worker.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** WebP's extended file format (RFC 9649, 2.7), which libwebp's encoder leaves to its muxer, and that to C. */
final class WebpContainer {

    /** {@code RIFF}, a size, {@code WEBP}. */
    private static final int FILE_HEADER = 12;
    /** Four characters and a size. */
    private static final int CHUNK_HEADER = 8;
    private static final int VP8X_BYTES = 10;
    private static final int HAS_EXIF = 0x08;
    private static final int HAS_XMP = 0x04;

    private WebpContainer() {
    }

    /**
     * Adds metadata to an image.
     *
     * @param simple a file in the simple format: one chunk, without alpha
     */
    static byte[] withMetadata(byte[] simple, int width, int height, byte[] exif, Optional<byte[]> xmp) {
        byte[] image = Arrays.copyOfRange(simple, FILE_HEADER, simple.length);
        int length = FILE_HEADER + CHUNK_HEADER + VP8X_BYTES + image.length + chunkLength(exif)
                + xmp.map(WebpContainer::chunkLength).orElse(0);
        ByteBuffer file = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        putHeader(file, "RIFF", length - CHUNK_HEADER);
        file.put("WEBP".getBytes(StandardCharsets.US_ASCII));
        putHeader(file, "VP8X", VP8X_BYTES);
        file.putInt(HAS_EXIF | (xmp.isPresent() ? HAS_XMP : 0));
        put24(file, width - 1);
        put24(file, height - 1);
        file.put(image);
        putChunk(file, "EXIF", exif);
        xmp.ifPresent(packet -> putChunk(file, "XMP ", packet));
        return file.array();
    }

    private static int chunkLength(byte[] data) {
        return CHUNK_HEADER + data.length + data.length % 2;
    }

    private static void putChunk(ByteBuffer file, String name, byte[] data) {
        putHeader(file, name, data.length);
        file.put(data);
        file.position(file.position() + data.length % 2);
    }

    private static void putHeader(ByteBuffer file, String name, int bytes) {
        file.put(name.getBytes(StandardCharsets.US_ASCII));
        file.putInt(bytes);
    }

    private static void put24(ByteBuffer file, int number) {
        file.putShort((short) number);
        file.put((byte) (number >> 16));
    }
}
