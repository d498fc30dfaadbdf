package dev.darkroom.worker.store;

/** The object store could not be reached or refused. */
public class StorageException extends RuntimeException {

    private final boolean transientFault;

    /**
     * @param transientFault whether the same call may succeed later (no connection, time-out, HTTP 5xx or 429), as
     *     opposed to a refusal that stays (no permission, no such bucket)
     */
    public StorageException(String message, boolean transientFault, Throwable cause) {
        super(message, cause);
        this.transientFault = transientFault;
    }

    /** Whether the same call may succeed later. */
    public boolean transientFault() {
        return transientFault;
    }
}
