package dev.darkroom.worker.generate;

import jakarta.enterprise.context.ApplicationScoped;
import org.jboss.logging.Logger;

/**
 * Ends the process at once, without committing anything, when its device can no longer be trusted. What it had under way
 * is delivered again, to this worker after its restart or to another.
 */
@ApplicationScoped
public class ProcessExit {

    private static final Logger LOG = Logger.getLogger(ProcessExit.class);

    /** Exit status after a fault of the device. */
    public static final int DEVICE_FAULT = 70;

    protected void now(Throwable fault) {
        LOG.fatal("worker=ending reason=\"the device is lost\"", fault);
        Runtime.getRuntime().halt(DEVICE_FAULT);
    }
}
