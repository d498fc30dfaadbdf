package dev.darkroom.worker.store;

import dev.darkroom.worker.Retries;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * Tries again until the store has done what it was asked, refusals included: somebody may grant the permission or make
 * the room. The calling thread keeps its bytes and waits. {@link #ping()} is not repeated: it asks how things are now.
 */
public final class RetryingImageStore implements ImageStore {

    private final ImageStore store;
    private final Retries retries;
    private final Duration refusalsAtOpening;

    /** @param refusalsAtOpening how long a refusal is put up with when the store is opened */
    public RetryingImageStore(ImageStore store, Retries retries, Duration refusalsAtOpening) {
        this.store = store;
        this.retries = retries;
        this.refusalsAtOpening = refusalsAtOpening;
    }

    @Override
    public StoredObject putIfAbsent(String key, byte[] content, String contentType, Map<String, String> metadata) {
        return untilDone("write to the object store",
                () -> store.putIfAbsent(key, content, contentType, metadata));
    }

    @Override
    public Optional<StoredObject> find(String key) {
        return untilDone("read from the object store", () -> store.find(key));
    }

    @Override
    public Optional<byte[]> get(String key) {
        return untilDone("read from the object store", () -> store.get(key));
    }

    /** Outages are sat out. A refusal is the matter of the one request that names the object, not of all that wait. */
    @Override
    public Optional<byte[]> read(String bucket, String key, int mostBytes) {
        return retries.untilDone("read from the object store",
                failure -> failure instanceof StorageException fault && fault.transientFault(),
                () -> store.read(bucket, key, mostBytes));
    }

    @Override
    public URI link(String key, Duration validity) {
        return untilDone("sign links to the object store", () -> store.link(key, validity));
    }

    @Override
    public void open() {
        Patience patience = new Patience();
        retries.untilDone("open the object store", patience, () -> {
            store.open();
            return null;
        });
    }

    /** Outages are sat out, refusals for a while. */
    private final class Patience implements Predicate<RuntimeException> {
        private Instant refusedSince;

        @Override
        public boolean test(RuntimeException failure) {
            if (!(failure instanceof StorageException fault)) {
                return false;
            }
            if (fault.transientFault()) {
                refusedSince = null;
                return true;
            }
            refusedSince = refusedSince == null ? Instant.now() : refusedSince;
            return Instant.now().isBefore(refusedSince.plus(refusalsAtOpening));
        }
    }

    @Override
    public void ping() {
        store.ping();
    }

    @Override
    public void close() {
        store.close();
    }

    private <T> T untilDone(String what, Supplier<T> attempt) {
        return retries.untilDone(what, StorageException.class::isInstance, attempt);
    }
}
