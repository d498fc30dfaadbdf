package dev.darkroom.worker.store;

import dev.darkroom.worker.Retries;

/** The object store could not be reached or refused. */
public class StorageException extends RuntimeException implements Retries.Failure {

    private final boolean transientFault;
    private final String reason;

    /**
     * @param message what was tried, where, and what came of it; for the log
     * @param reason what came of it, without addresses; for everybody
     * @param transientFault whether the same call may succeed later (no connection, time-out, HTTP 5xx or 429), as
     *     opposed to a refusal that stays until somebody sees to it (no permission, no such bucket)
     */
    public StorageException(String message, String reason, boolean transientFault, Throwable cause) {
        super(message, cause);
        this.reason = reason;
        this.transientFault = transientFault;
    }

    /** Whether the same call may succeed later. */
    public boolean transientFault() {
        return transientFault;
    }

    @Override
    public String reason() {
        return reason;
    }
}
