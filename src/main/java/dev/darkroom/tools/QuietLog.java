package dev.darkroom.tools;

import io.quarkus.bootstrap.logging.InitialConfigurator;
import java.util.Locale;
import java.util.logging.ConsoleHandler;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;

/**
 * The log of commands that run without Quarkus, a line each, on standard error. Quarkus' log manager keeps every record back
 * until somebody says where they go.
 */
public final class QuietLog {

    private QuietLog() {
    }

    /** Warnings and errors of whatever there is. */
    public static void warningsToStandardError() {
        toStandardError(Level.WARNING);
    }

    /** Whatever is told at this level or above. */
    public static void toStandardError(Level level) {
        ConsoleHandler handler = new ConsoleHandler();
        handler.setLevel(level);
        // Kafka's client warns of every attempt to connect; when it gives up, the command says so itself
        handler.setFilter(record -> !String.valueOf(record.getLoggerName()).startsWith("org.apache.kafka"));
        handler.setFormatter(new Formatter() {
            @Override
            public String format(LogRecord record) {
                return record.getLevel().getName().toLowerCase(Locale.ROOT) + ": " + formatMessage(record) + "\n";
            }
        });
        InitialConfigurator.DELAYED_HANDLER.setHandlers(new Handler[] {handler});
    }
}
