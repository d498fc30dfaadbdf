package dev.darkroom.tools;

/** A command failed for a reason that a sentence tells whole; the stack trace would help nobody. Exit code 1. */
public final class CommandException extends RuntimeException {

    public CommandException(String sentence) {
        super(sentence);
    }

    public CommandException(String sentence, Throwable cause) {
        super(sentence, cause);
    }
}
