package dev.darkroom.digest;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of what comes piece by piece, and of what is there at once. In hex its digits are lower-case. Not thread-safe. */
public final class Sha256 {

    private static final int BUFFER = 1 << 20;

    private final MessageDigest digest;

    /** Of nothing yet. */
    public Sha256() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    public Sha256 update(byte[] content) {
        digest.update(content);
        return this;
    }

    /** Adds a text in UTF-8. */
    public Sha256 update(String text) {
        return update(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Adds the content of a file, of whatever size. */
    public Sha256 update(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] buffer = new byte[BUFFER];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
            }
        }
        return this;
    }

    /** Ends it: the 32 bytes. */
    public byte[] bytes() {
        return digest.digest();
    }

    /** Ends it: the 64 digits. */
    public String hex() {
        return HexFormat.of().formatHex(bytes());
    }

    public static String hex(byte[] content) {
        return new Sha256().update(content).hex();
    }

    /** Of a text in UTF-8. */
    public static String hex(String text) {
        return new Sha256().update(text).hex();
    }

    /** Of a file's content. */
    public static String hex(Path file) throws IOException {
        return new Sha256().update(file).hex();
    }
}
