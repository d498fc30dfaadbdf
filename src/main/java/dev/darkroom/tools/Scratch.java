package dev.darkroom.tools;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A folder for the logs and the state of one run of a command, below {@code .darkroom}. The command deletes it where all went
 * well, and keeps it where not; an interrupt deletes it. What a killed run leaves, the next run of the same command removes,
 * as it does the logs of runs that failed more than a day ago.
 */
public final class Scratch {

    private static final Duration KEPT = Duration.ofDays(1);
    private static final String FAILED = "failed";
    /** For the logs and for what broker and store hold of a few requests. */
    private static final long LEAST_BYTES = 100L << 20;
    private static final int ATTEMPTS = 20;
    private static final Duration PAUSE = Duration.ofMillis(50);

    private final Path folder;
    private final Thread atInterrupt = new Thread(this::deleteQuietly);

    private Scratch(Path folder) {
        this.folder = folder;
    }

    /**
     * A folder for this process.
     *
     * @throws CommandException if it cannot be made, or a full disk would soon stop what writes to it, in words of its own
     */
    public static Scratch of(String command) {
        requireRoom(Home.scratch(""));
        removeOld(Home.scratch(""), Pattern.compile(Pattern.quote(command) + "-(\\d+)"));
        Scratch scratch = new Scratch(Home.scratch(command + "-" + ProcessHandle.current().pid()));
        Runtime.getRuntime().addShutdownHook(scratch.atInterrupt);
        return scratch;
    }

    /** It is there. */
    public Path folder() {
        return folder;
    }

    private static void requireRoom(Path folder) {
        try {
            long room = Files.getFileStore(folder).getUsableSpace();
            if (room < LEAST_BYTES) {
                throw new CommandException("There is too little room in %s: %d MB, and it takes %d.".formatted(folder,
                        room >> 20, LEAST_BYTES >> 20));
            }
        } catch (IOException e) {
            // Whoever writes to it will say so
        }
    }

    private static void removeOld(Path all, Pattern name) {
        try (Stream<Path> found = Files.list(all)) {
            for (Path folder : found.toList()) {
                Matcher matcher = name.matcher(folder.getFileName().toString());
                if (matcher.matches() && ended(matcher.group(1)) && !wanted(folder.resolve(FAILED))) {
                    Folders.delete(folder);
                }
            }
        } catch (IOException | UncheckedIOException e) {
            // Another process removes it at the same time, or it is not ours to remove: no reason not to run
        }
    }

    private static boolean ended(String pid) {
        return ProcessHandle.of(Long.parseLong(pid)).isEmpty();
    }

    private static boolean wanted(Path failed) throws IOException {
        return Files.exists(failed) && Files.getLastModifiedTime(failed).toInstant().isAfter(Instant.now().minus(KEPT));
    }

    /**
     * Removes it where the run went well, and else says on standard error where the logs are.
     *
     * @param well whether it did
     */
    public void end(boolean well) {
        if (well) {
            settle();
            Folders.delete(folder);
        } else if (keep()) {
            System.err.println("Logs: " + folder);
        }
    }

    private void deleteQuietly() {
        for (int attempt = 0; attempt < ATTEMPTS && Files.exists(folder); attempt++) {
            try {
                Folders.delete(folder);
            } catch (UncheckedIOException e) {
                // What ends with this process still writes to it. If it goes on, the next run will find the folder
                LockSupport.parkNanos(PAUSE.toNanos());
            }
        }
    }

    /** Whether it is not being removed, since an interrupt came at this very moment. */
    private boolean settle() {
        try {
            Runtime.getRuntime().removeShutdownHook(atInterrupt);
            return true;
        } catch (IllegalStateException e) {
            return false;
        }
    }

    /**
     * Keeps it for somebody who wants to know more about the run.
     *
     * @return whether it is kept; an interrupt removes it
     */
    public boolean keep() {
        if (!settle()) {
            return false;
        }
        try {
            Files.writeString(folder.resolve(FAILED), "");
        } catch (IOException e) {
            // The logs are there now, and that is what counts
        }
        return true;
    }
}
