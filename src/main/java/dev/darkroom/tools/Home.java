package dev.darkroom.tools;

import java.nio.file.Path;

/** Where Darkroom is installed: the checkout that the launcher names, or else the current directory. */
public final class Home {

    private static final Path PATH = Path.of(System.getProperty("cli.home", "")).toAbsolutePath();

    private Home() {
    }

    /** A file of the checkout, as {@code target/stack.classpath}. */
    public static Path resolve(String relative) {
        return PATH.resolve(relative);
    }

    /** A folder for logs and scratch files; it is made if it is not there. */
    public static Path scratch(String name) {
        return Folders.create(PATH.resolve(".darkroom").resolve(name));
    }
}
