package dev.darkroom.tools;

import java.nio.file.Files;
import java.nio.file.Path;

/** Where Darkroom is installed: the checkout or the distribution that the launcher names, or else the current directory. */
public final class Home {

    private static final Path PATH = Path.of(System.getProperty("cli.home", "")).toAbsolutePath();

    private Home() {
    }

    /** A file of the checkout or the distribution, as {@code src/main/python}. */
    public static Path resolve(String relative) {
        return PATH.resolve(relative);
    }

    /** What the build made, as {@code stack.classpath}: in a checkout's {@code target}, in a distribution's {@code lib}. */
    public static Path built(String name) {
        Path distributed = PATH.resolve("lib");
        return (Files.isDirectory(distributed) ? distributed : PATH.resolve("target")).resolve(name);
    }

    /** A folder for logs and scratch files; it is made if it is not there. */
    public static Path scratch(String name) {
        return Folders.create(PATH.resolve(".darkroom").resolve(name));
    }
}
