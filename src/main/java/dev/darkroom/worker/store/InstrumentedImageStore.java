package dev.darkroom.worker.store;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Times every call in {@code darkroom.store.operation}, by {@code operation} (put-if-absent, find, get, read, open, ping) and
 * {@code outcome}: {@code ok}, {@code kept} (an earlier object was there), {@code fault} (may pass), {@code refused}
 * (stays) or {@code mistake} (arguments that no store takes). Put it inside {@link RetryingImageStore} to see attempts,
 * outside to see waits.
 */
public final class InstrumentedImageStore implements ImageStore {

    private final ImageStore store;
    private final MeterRegistry meters;

    public InstrumentedImageStore(ImageStore store, MeterRegistry meters) {
        this.store = store;
        this.meters = meters;
    }

    @Override
    public StoredObject putIfAbsent(String key, byte[] content, String contentType, Map<String, String> metadata) {
        return timed("put-if-absent", () -> store.putIfAbsent(key, content, contentType, metadata));
    }

    @Override
    public Optional<StoredObject> find(String key) {
        return timed("find", () -> store.find(key));
    }

    @Override
    public Optional<byte[]> get(String key) {
        return timed("get", () -> store.get(key));
    }

    @Override
    public Optional<byte[]> read(String bucket, String key, int mostBytes) {
        return timed("read", () -> store.read(bucket, key, mostBytes));
    }

    /** Not timed: the store is not asked. */
    @Override
    public URI link(String key, Duration validity) {
        return store.link(key, validity);
    }

    @Override
    public void open() {
        timed("open", () -> {
            store.open();
            return null;
        });
    }

    @Override
    public void ping() {
        timed("ping", () -> {
            store.ping();
            return null;
        });
    }

    @Override
    public void close() {
        store.close();
    }

    private <T> T timed(String operation, Supplier<T> call) {
        Timer.Sample sample = Timer.start(meters);
        String outcome = "mistake";
        try {
            T result = call.get();
            outcome = result instanceof StoredObject object && !object.created() ? "kept" : "ok";
            return result;
        } catch (StorageException e) {
            outcome = e.transientFault() ? "fault" : "refused";
            throw e;
        } finally {
            sample.stop(Timer.builder("darkroom.store.operation")
                    .description("Calls to the object store")
                    .tag("operation", operation)
                    .tag("outcome", outcome)
                    .register(meters));
        }
    }
}
