package dev.darkroom.tools;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Archives of loaded classes (class data sharing) that the checkout's build makes, see {@code .mvn/archive-classes}. */
public final class ClassArchive {

    private ClassArchive() {
    }

    /**
     * Options of a JVM that takes its classes from an archive where there is one. One that is another JVM's, or of other
     * classes, it passes over without a word.
     *
     * @param name {@code stack} or {@code worker}
     */
    public static List<String> options(String name) {
        Path archive = Home.built(name + ".jsa");
        return Files.exists(archive) ? List.of("-Xlog:cds*=off", "-XX:SharedArchiveFile=" + archive) : List.of();
    }
}
