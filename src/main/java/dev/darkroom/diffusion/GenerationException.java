package dev.darkroom.diffusion;

/** A batch could not be generated. */
public class GenerationException extends RuntimeException {

    public GenerationException(String message, Throwable cause) {
        super(message, cause);
    }
}
