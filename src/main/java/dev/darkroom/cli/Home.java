package dev.darkroom.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where Darkroom is installed: the checkout that the launcher names, or else the current directory. */
final class Home {

    private static final Path PATH = Path.of(System.getProperty("darkroom.home", "")).toAbsolutePath();

    private Home() {
    }

    /** A file of the checkout, as {@code models/mini}. */
    static Path resolve(String relative) {
        return PATH.resolve(relative);
    }

    /** The folder for logs and scratch files; it is made if it is not there. */
    static Path scratch() {
        try {
            return Files.createDirectories(PATH.resolve(".darkroom"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
