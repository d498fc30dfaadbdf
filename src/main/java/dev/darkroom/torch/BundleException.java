package dev.darkroom.torch;

/** A model bundle that is refused: damaged, incomplete, or made for something else than this worker. */
public class BundleException extends RuntimeException {

    public BundleException(String message) {
        super(message);
    }

    public BundleException(String message, Throwable cause) {
        super(message, cause);
    }
}
