package dev.darkroom.worker.store;

import java.time.Instant;
import java.util.Map;

/**
 * An object in the store.
 *
 * @param bucket its bucket
 * @param key its key in the bucket, the prefix with it
 * @param etag the store's entity tag, without quotes
 * @param sha256 SHA-256 of the content, lower-case hex
 * @param bytes length of the content
 * @param metadata user metadata that it was put with, by lower-case name
 * @param stored when it was stored, by the store's clock where an earlier object was kept, by the worker's otherwise
 * @param created whether this very put made it; false where an earlier object was kept
 */
public record StoredObject(String bucket, String key, String etag, String sha256, long bytes, Map<String, String> metadata,
        Instant stored, boolean created) {

    /** The object's address, as {@code s3://bucket/key}. */
    public String uri() {
        return "s3://" + bucket + "/" + key;
    }
}
