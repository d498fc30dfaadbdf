package dev.darkroom.tools;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Makes and removes folders, and writes what goes into them. */
public final class Folders {

    private Folders() {
    }

    /**
     * Makes a folder and those above it, where they are missing.
     *
     * @throws CommandException if that is not possible
     */
    public static Path create(Path folder) {
        try {
            return Files.createDirectories(folder);
        } catch (FileAlreadyExistsException e) {
            throw new CommandException("The folder %s cannot be made: %s is a file.".formatted(folder, e.getFile()), e);
        } catch (AccessDeniedException e) {
            throw new CommandException("The folder %s cannot be made: %s may not be written to.".formatted(folder, e.getFile()),
                    e);
        } catch (IOException e) {
            throw new CommandException("The folder %s cannot be made: %s.".formatted(folder, e.getMessage()), e);
        }
    }

    /**
     * Writes a file, whole or not at all.
     *
     * @throws CommandException if that is not possible, as on a full disk
     */
    public static void write(Path file, byte[] content) {
        try {
            Files.write(file, content);
        } catch (AccessDeniedException e) {
            throw new CommandException("The file %s cannot be written: that is not allowed.".formatted(file), e);
        } catch (FileSystemException e) {
            throw new CommandException("The file %s cannot be written: %s.".formatted(file, e.getReason()), e);
        } catch (IOException e) {
            // It could be opened, so that a part of it is there
            file.toFile().delete();
            throw new CommandException("The file %s cannot be written: %s.".formatted(file, e.getMessage()), e);
        }
    }

    /** Removes a folder with all that is in it. */
    public static void delete(Path folder) {
        try (Stream<Path> content = Files.walk(folder)) {
            List<Path> paths = content.sorted(Comparator.reverseOrder()).toList();
            for (Path path : paths) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
