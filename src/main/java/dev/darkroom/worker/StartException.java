package dev.darkroom.worker;

/** The worker cannot start. The message is a sentence for whoever started it; a stack trace would add nothing. */
public class StartException extends RuntimeException {

    public StartException(String message, Throwable cause) {
        super(message, cause);
    }
}
