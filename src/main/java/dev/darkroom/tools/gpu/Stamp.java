package dev.darkroom.tools.gpu;

import dev.darkroom.digest.Sha256;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.Folders;
import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * The record of one step of {@code gpu setup}: a file with the digest of what the step was done from and, once it is done, what
 * came of it. A step that was cut off has no outcome, and is done again.
 */
record Stamp(Path file) {

    /** What came of the step, if it was done from the same and to its end. */
    Optional<String> outcome(String madeFrom) {
        List<String> lines = read();
        return lines.size() == 2 && lines.get(0).equals(madeFrom) ? Optional.of(lines.get(1)) : Optional.empty();
    }

    /** Whether the step was at least begun from the same. */
    boolean begun(String madeFrom) {
        List<String> lines = read();
        return !lines.isEmpty() && lines.get(0).equals(madeFrom);
    }

    void begin(String madeFrom) {
        write(madeFrom + "\n");
    }

    /** @param outcome a line */
    void end(String madeFrom, String outcome) {
        write(madeFrom + "\n" + outcome + "\n");
    }

    private List<String> read() {
        try {
            return Files.readAllLines(file);
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException e) {
            throw new CommandException(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    private void write(String content) {
        Folders.create(file.getParent());
        try {
            Files.writeString(file, content);
        } catch (IOException e) {
            throw new CommandException(file + " cannot be written: " + e.getMessage(), e);
        }
    }

    /** One digest of all of these. */
    static String digest(Object... parts) {
        Sha256 sha256 = new Sha256();
        for (Object part : parts) {
            // A byte that ends each, so that "ab", "c" are not "a", "bc"
            sha256.update(part + "\0");
        }
        return sha256.hex();
    }

    /** A digest of the content of those files in a folder, below it too, whose name is taken. */
    static String sources(Path folder, Predicate<String> name) {
        try (Stream<Path> walk = Files.walk(folder)) {
            Sha256 sha256 = new Sha256();
            for (Path file : walk.filter(Files::isRegularFile).filter(path -> name.test(path.getFileName().toString()))
                    .sorted().toList()) {
                sha256.update(folder.relativize(file).toString()).update(file);
            }
            return sha256.hex();
        } catch (IOException e) {
            throw new CommandException(folder + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** A digest of size and time of every file in a folder, where the content would be gigabytes; links are followed. */
    static String listing(Path folder) {
        try (Stream<Path> walk = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            StringBuilder listing = new StringBuilder();
            for (Path file : walk.filter(Files::isRegularFile).sorted().toList()) {
                listing.append(folder.relativize(file)).append(' ').append(Files.size(file)).append(' ')
                        .append(Files.getLastModifiedTime(file).toMillis()).append('\n');
            }
            return digest(listing);
        } catch (IOException e) {
            throw new CommandException(folder + " cannot be read: " + e.getMessage(), e);
        }
    }
}
