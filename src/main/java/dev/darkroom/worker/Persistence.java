package dev.darkroom.worker;

import dev.darkroom.worker.store.StorageException;
import org.jboss.logging.Logger;

/**
 * Repeats what the object store refuses. Short faults are the store's own business ({@code RetryingImageStore}); this is
 * for refusals that stay until somebody grants a permission or makes room: the work waits, in hand, and consumption
 * pauses behind it.
 */
final class Persistence {

    private static final Logger LOG = Logger.getLogger(Persistence.class);
    private static final long PAUSE_MILLIS = 10_000;

    private Persistence() {
    }

    /**
     * Runs the work until the store has taken it. The work is repeated from its start, so it must be idempotent.
     *
     * @return false if the thread was interrupted before that
     */
    static boolean untilStored(Object what, Runnable work) {
        while (true) {
            try {
                work.run();
                return true;
            } catch (StorageException e) {
                if (Thread.currentThread().isInterrupted()) {
                    return false;
                }
                LOG.errorf("store=refused waiting=\"%s\" reason=\"%s\"", what, e.getMessage());
            }
            try {
                Thread.sleep(PAUSE_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
    }
}
