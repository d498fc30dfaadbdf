package dev.darkroom.worker.image;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The metadata in which formats without text chunks carry a text. Written here, since it is two directories of one entry
 * each, and TwelveMonkeys' TIFFWriter (3.13.1) leaves out the four bytes that end the inner one.
 */
final class Exif {

    private static final byte[] BIG_ENDIAN_TIFF = {'M', 'M', 0, 42};
    /** Says, in eight bytes, that what follows is UTF-16. */
    private static final byte[] UNICODE = "UNICODE\0".getBytes(StandardCharsets.US_ASCII);

    private static final int HEADER = 8;
    /** A number of entries, one entry, where the next directory is. */
    private static final int DIRECTORY = 2 + 12 + 4;

    private static final int EXIF_IFD = 0x8769;
    private static final int USER_COMMENT = 0x9286;
    private static final int TYPE_LONG = 4;
    private static final int TYPE_UNDEFINED = 7;

    private Exif() {
    }

    /**
     * A text as {@code UserComment}, where AUTOMATIC1111's Stable Diffusion web UI puts the parameters of JPEG and WebP files:
     * UTF-16, like the numbers around it big-endian, since readers take its byte order from theirs.
     *
     * @return a TIFF file without an image
     */
    static byte[] userComment(String text) {
        byte[] utf16 = text.getBytes(StandardCharsets.UTF_16BE);
        int comment = UNICODE.length + utf16.length;
        ByteBuffer file = ByteBuffer.allocate(HEADER + 2 * DIRECTORY + comment);
        file.put(BIG_ENDIAN_TIFF).putInt(HEADER);
        putDirectory(file, EXIF_IFD, TYPE_LONG, 1, HEADER + DIRECTORY);
        putDirectory(file, USER_COMMENT, TYPE_UNDEFINED, comment, HEADER + 2 * DIRECTORY);
        return file.put(UNICODE).put(utf16).array();
    }

    /** @param value where the value is, or the value itself if four bytes hold it */
    private static void putDirectory(ByteBuffer file, int tag, int type, int count, int value) {
        file.putShort((short) 1).putShort((short) tag).putShort((short) type).putInt(count).putInt(value).putInt(0);
    }
}
