package dev.darkroom.diffusion;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jboss.logging.Logger;

/** Runs prompts in batches that the device has memory for. */
final class FittingBatches {

    private static final Logger LOG = Logger.getLogger(FittingBatches.class);

    private FittingBatches() {
    }

    /**
     * Runs all items, in order. A batch that the device has too little memory for is halved and run again, and what
     * follows it keeps to the smaller size.
     *
     * @param largest most items that a batch may have
     * @param batch runs one batch
     * @return the result of every batch
     * @throws DeviceMemoryException if not even one item fits
     */
    static <T, R> List<R> run(List<T> items, int largest, Function<List<T>, R> batch) {
        List<R> results = new ArrayList<>();
        int size = largest;
        int done = 0;
        while (done < items.size()) {
            List<T> next = items.subList(done, Math.min(done + size, items.size()));
            try {
                results.add(batch.apply(next));
                done += next.size();
            } catch (DeviceMemoryException e) {
                if (next.size() == 1) {
                    throw e;
                }
                size = next.size() / 2;
                LOG.warnf("device out of memory batchSize=%d nextBatchSize=%d reason=\"%s\"", next.size(), size,
                        e.getMessage());
            }
        }
        return results;
    }
}
