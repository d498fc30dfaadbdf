package dev.darkroom.tools;

import java.io.PrintStream;
import java.util.Locale;

/**
 * One line on standard error that shows how far a command is. On a terminal it is rewritten in place; elsewhere only the
 * ends of steps are printed, a line each, without control codes. Thread-safe.
 */
public final class ProgressLine {

    private static final int BAR_WIDTH = 24;
    private static final String REWRITE = "\r\033[K";

    private final PrintStream out;
    private final boolean terminal;

    ProgressLine(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    /** On standard error, a terminal if the launcher found it to be one. */
    public static ProgressLine onStandardError() {
        return new ProgressLine(System.err, Boolean.getBoolean("cli.terminal"));
    }

    /** Shows what is going on now. */
    public synchronized void show(String text) {
        if (terminal) {
            out.print(REWRITE + text);
            out.flush();
        }
    }

    /** Shows a bar. */
    public synchronized void show(String text, int done, int total) {
        int filled = total == 0 ? 0 : (int) ((long) BAR_WIDTH * done / total);
        show("%s [%s%s] %d/%d".formatted(text, "#".repeat(filled), ".".repeat(BAR_WIDTH - filled), done, total));
    }

    /** Ends the line with what came of it; the next call begins a new one. */
    public synchronized void end(String text) {
        out.println((terminal ? REWRITE : "") + text);
    }

    /** Wipes the line. */
    public synchronized void clear() {
        if (terminal) {
            out.print(REWRITE);
            out.flush();
        }
    }

    /** Seconds since a {@link System#nanoTime()}, for a person. */
    public static String since(long nanoTime) {
        return String.format(Locale.ROOT, "%.1f s", (System.nanoTime() - nanoTime) / 1e9);
    }
}
