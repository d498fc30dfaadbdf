package dev.darkroom.torch;

import dev.darkroom.diffusion.DeviceMemoryException;
import java.util.ArrayList;
import java.util.List;
import org.jboss.logging.Logger;

/** Runs prompts in batches that the device has memory for. */
final class FittingBatches {

    private static final Logger LOG = Logger.getLogger(FittingBatches.class);

    private FittingBatches() {
    }

    /** Runs one batch. */
    @FunctionalInterface
    interface BatchRun<T, R> {

        /**
         * @param items at least one
         * @param batchSize at least as many; what is more is filled up
         */
        R run(List<T> items, int batchSize);
    }

    /**
     * Runs all items, in order. A batch that the device has too little memory for is halved and run again, and what
     * follows it keeps to the smaller size.
     *
     * @return the result of every batch
     * @throws DeviceMemoryException if not even one item fits
     */
    static <T, R> List<R> run(List<T> items, BatchSizes sizes, BatchRun<T, R> batch) {
        List<R> results = new ArrayList<>();
        int most = sizes.largest();
        int done = 0;
        while (done < items.size()) {
            int waiting = Math.min(most, items.size() - done);
            int batchSize = sizes.next(waiting);
            List<T> next = items.subList(done, done + Math.min(waiting, batchSize));
            try {
                results.add(batch.run(next, batchSize));
                done += next.size();
            } catch (DeviceMemoryException e) {
                if (next.size() == 1) {
                    throw e;
                }
                most = batchSize / 2;
                LOG.warnf("device=\"out of memory\" batchSize=%d nextBatchSize=%d reason=\"%s\"", batchSize, most,
                        e.getMessage());
            }
        }
        return results;
    }
}
