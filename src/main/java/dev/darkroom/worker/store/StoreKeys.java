package dev.darkroom.worker.store;

import java.util.Optional;

/**
 * Keys that a worker is given, and that it keeps.
 *
 * @param accessKey access key id
 * @param secretKey secret access key
 * @param sessionToken what goes with temporary keys; empty for others
 */
public record StoreKeys(String accessKey, String secretKey, Optional<String> sessionToken) {

    /** @throws IllegalArgumentException with a sentence that names what is empty */
    public StoreKeys {
        if (accessKey == null || accessKey.isBlank()) {
            throw new IllegalArgumentException("the store's access key is empty");
        }
        if (secretKey == null || secretKey.isBlank()) {
            throw new IllegalArgumentException("the store's secret key is empty");
        }
    }

    /** Nothing secret. */
    @Override
    public String toString() {
        return "StoreKeys[accessKey=" + accessKey + "]";
    }
}
