package dev.darkroom.worker.store;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

import org.jboss.logging.Logger;

import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeException;
import dev.failsafe.RetryPolicy;

/**
 * Tries again what failed for a while: an image that was generated is worth waiting for, so the calling thread keeps its
 * bytes and waits with growing pauses (doubling, ±20 %) until the store takes them. A refusal that stays is thrown at
 * once. {@link #ping()} is not repeated: it asks how things are now.
 *
 * <p>A waiting thread that is interrupted gives up with a {@link StorageException} and keeps its interrupted status;
 * after {@link #close()} nothing is tried again.
 */
public final class RetryingImageStore implements ImageStore {

    private static final Logger LOG = Logger.getLogger(RetryingImageStore.class);

    private final ImageStore store;
    private final RetryPolicy<Object> policy;
    private volatile boolean closed;

    /**
     * @param firstPause pause after the first failure
     * @param longestPause what the pauses grow to
     * @param patience how long to go on trying; empty for as long as it takes
     */
    public RetryingImageStore(ImageStore store, Duration firstPause, Duration longestPause,
            Optional<Duration> patience) {
        this.store = store;
        var builder = RetryPolicy.builder()
                .handleIf(RetryingImageStore::worthRepeating)
                .abortIf((result, failure) -> closed || Thread.currentThread().isInterrupted())
                .withBackoff(firstPause, longestPause)
                .withJitter(0.2)
                .withMaxAttempts(-1);
        patience.ifPresent(builder::withMaxDuration);
        policy = builder.build();
    }

    @Override
    public StoredObject putIfAbsent(String key, byte[] content, String contentType, Map<String, String> metadata) {
        return untilDone("putIfAbsent", key, () -> store.putIfAbsent(key, content, contentType, metadata));
    }

    @Override
    public StoredObject put(String key, byte[] content, String contentType, Map<String, String> metadata) {
        return untilDone("put", key, () -> store.put(key, content, contentType, metadata));
    }

    @Override
    public Optional<byte[]> get(String key) {
        return untilDone("get", key, () -> store.get(key));
    }

    @Override
    public void delete(String key) {
        untilDone("delete", key, () -> {
            store.delete(key);
            return null;
        });
    }

    @Override
    public void open() {
        untilDone("open", "-", () -> {
            store.open();
            return null;
        });
    }

    @Override
    public void ping() {
        store.ping();
    }

    @Override
    public void close() {
        closed = true;
        store.close();
    }

    private <T> T untilDone(String operation, String key, Supplier<T> attempt) {
        var lastFault = new AtomicReference<StorageException>();
        try {
            return Failsafe.with(policy).get(execution -> {
                if (execution.isRetry()) {
                    logRarely(operation, key, execution.getAttemptCount(), execution.getElapsedTime(), lastFault.get());
                }
                try {
                    return attempt.get();
                } catch (StorageException e) {
                    lastFault.set(e);
                    throw e;
                }
            });
        } catch (FailsafeException e) {
            if (e.getCause() instanceof InterruptedException) {
                Thread.currentThread().interrupt();
                throw new StorageException("interrupted while waiting for the store to "
                        + operation + " " + key, true, lastFault.get());
            }
            throw e;
        }
    }

    /** The first retry and then every tenth: a store that is away for an hour must not fill the log. */
    private static void logRarely(String operation, String key, int attempts, Duration elapsed, StorageException fault) {
        if (attempts % 10 == 1) {
            LOG.warnf("store=retrying operation=%s key=%s attempts=%d elapsedMs=%d fault=\"%s\"",
                    operation, key, attempts, elapsed.toMillis(), fault.getMessage());
        }
    }

    private static boolean worthRepeating(Throwable failure) {
        return failure instanceof StorageException fault && fault.transientFault();
    }
}
