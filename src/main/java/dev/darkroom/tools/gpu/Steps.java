package dev.darkroom.tools.gpu;

import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.ProgressLine;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import java.util.function.Predicate;

/** How the steps of {@code gpu setup} are shown: a line for each, and what their programs say in a log. */
final class Steps {

    private static final Duration TICK = Duration.ofSeconds(1);
    private static final int LAST_LINES = 15;
    /** A line that is wrapped cannot be rewritten. */
    private static final int WIDTH = 78;

    private final ProgressLine progress = ProgressLine.onStandardError();
    private final Path log;

    /** @param log is begun anew */
    Steps(Path log) {
        this.log = log;
        try {
            Files.writeString(log, "");
        } catch (IOException e) {
            throw new CommandException(log + " cannot be written: " + e.getMessage(), e);
        }
    }

    Path log() {
        return log;
    }

    /** The last line of the log, without what names the program. */
    String lastLine() {
        try {
            List<String> lines = Files.readAllLines(log);
            return lines.isEmpty() ? "" : lines.get(lines.size() - 1).replaceFirst("^darkroom: ", "");
        } catch (IOException e) {
            throw new CommandException(log + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Says what came of a step, or what begins. */
    void say(String step, String sentence) {
        progress.end("%-11s %s".formatted(step, sentence));
    }

    /**
     * Runs one of a step's programs to its end.
     *
     * @param doing what it does, as {@code compiling}
     * @param kept which of its lines stay on the screen; the others are shown until the next one comes
     * @return all of its lines
     * @throws CommandException if it fails; the sentence is the program's own error where it tells one
     */
    List<String> run(String step, String doing, List<String> command, Map<String, String> environment,
            Predicate<String> kept) {
        List<String> lines = new ArrayList<>();
        AtomicReference<String> last = new AtomicReference<>("");
        int exitCode = during(step, doing, last, () -> run(command, environment, line -> {
            if (line.isBlank()) {
                return;
            }
            lines.add(line);
            if (kept.test(line)) {
                progress.end("%-11s   %s".formatted("", line.strip()));
                last.set("");
            } else if (!line.startsWith("{")) {
                last.set(line.strip());
            }
        }));
        if (exitCode != 0) {
            throw failure(step, lines, exitCode);
        }
        return lines;
    }

    /** Shows for how long something has been going on, with the last line that it said. */
    int during(String step, String doing, AtomicReference<String> last, IntSupplier work) {
        long begin = System.nanoTime();
        Thread ticker = new Thread(() -> tick(step, doing, begin, last));
        ticker.setDaemon(true);
        ticker.start();
        try {
            return work.getAsInt();
        } finally {
            ticker.interrupt();
            progress.clear();
        }
    }

    /** Runs a program, all of whose lines go to the log as well. */
    private int run(List<String> command, Map<String, String> environment, Consumer<String> line) {
        try (BufferedWriter out = Files.newBufferedWriter(log, StandardOpenOption.APPEND)) {
            out.write("$ " + String.join(" ", command) + "\n");
            return new Program(command, environment).run(said -> {
                append(out, said);
                line.accept(said);
            });
        } catch (IOException | UncheckedIOException e) {
            throw new CommandException(log + " cannot be written: " + e.getMessage(), e);
        }
    }

    private static void append(BufferedWriter out, String line) {
        try {
            out.write(line + "\n");
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void tick(String step, String doing, long begin, AtomicReference<String> last) {
        try {
            while (true) {
                String text = "%-11s %s: %d s  %s".formatted(step, doing, (System.nanoTime() - begin) / 1_000_000_000,
                        last.get());
                progress.show(text.substring(0, Math.min(text.length(), WIDTH)));
                Thread.sleep(TICK.toMillis());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private CommandException failure(String step, List<String> lines, int exitCode) {
        // Python's programs of Darkroom say "error: ", pip says "ERROR: "
        String told = lines.stream().filter(line -> line.toLowerCase(Locale.ROOT).startsWith("error: "))
                .reduce((first, second) -> second)
                .map(line -> line.substring("error: ".length()))
                .orElseGet(() -> "\n" + String.join("\n", lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size())));
        return new CommandException("%s failed with exit code %d: %s%nAll of its output: %s"
                .formatted(step, exitCode, told, log));
    }
}
