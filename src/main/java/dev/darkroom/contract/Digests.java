package dev.darkroom.contract;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of texts. */
final class Digests {

    private Digests() {
    }

    /** The 32 bytes of the SHA-256 of a text in UTF-8. */
    static ByteBuffer sha256(String text) {
        try {
            return ByteBuffer.wrap(
                    MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /** Lower-case hex. */
    static String hex(ByteBuffer bytes) {
        return HexFormat.of().formatHex(bytes.array());
    }
}
