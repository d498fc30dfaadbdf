package dev.darkroom.worker.store;

import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * The object store, as far as the worker needs it. Keys are those of {@link ObjectKeys}; a prefix comes before them in the
 * bucket. Implementations are thread-safe. Every method throws {@link StorageException} when the store cannot be reached or
 * refuses.
 */
public interface ImageStore extends AutoCloseable {

    /**
     * Puts an object unless its key is taken: the first writer wins, atomically where the store has conditional PUTs.
     *
     * @param metadata user metadata: names of lower-case letters, digits and hyphens, values in printable ASCII, 2,000
     *     bytes at most in all; the name {@code sha256} is the store's own
     * @throws IllegalArgumentException for metadata that S3 would refuse or mangle
     * @return what the store now holds under the key, be it this object or an earlier one
     */
    StoredObject putIfAbsent(String key, byte[] content, String contentType, Map<String, String> metadata);

    /** What is known of an object, without its content; empty if there is none. */
    Optional<StoredObject> find(String key);

    /** The content of an object, for small ones; empty if there is none. */
    Optional<byte[]> get(String key);

    /**
     * The beginning of an object of any bucket, which the store's credentials may read; empty if there is none.
     *
     * @param mostBytes how much of it; one byte more than is wanted tells that there is more
     */
    Optional<byte[]> read(String bucket, String key, int mostBytes);

    /**
     * An address under which whoever has it may get an object, whether it is there or not. It ends with the credentials
     * that it was signed with, if they end first.
     *
     * @param validity how long from now, at most seven days
     */
    URI link(String key, Duration validity);

    /**
     * Makes sure that the bucket is there and can be written to, creates it where it may, and finds out whether the
     * store has conditional PUTs. To be called once, before the other methods.
     */
    void open();

    /** Asks the store for a sign of life. One attempt, no longer than the time-outs allow. */
    void ping();

    /** Lets go of connections. */
    @Override
    void close();
}
