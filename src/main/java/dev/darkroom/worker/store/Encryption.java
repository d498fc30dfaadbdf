package dev.darkroom.worker.store;

import java.util.Map;
import java.util.Optional;

/**
 * How the store is asked to encrypt what it is given.
 *
 * @param algorithm {@value #AES} with the store's own key, {@value #KMS} with one of its key management service
 * @param keyId the key, with {@value #KMS} alone; empty for the service's default key
 */
public record Encryption(String algorithm, Optional<String> keyId) {

    public static final String AES = "AES256";
    public static final String KMS = "aws:kms";

    /** @throws IllegalArgumentException for another algorithm, or a key that the algorithm does not take */
    public Encryption {
        if (!algorithm.equals(AES) && !algorithm.equals(KMS)) {
            throw new IllegalArgumentException("the store's encryption is '%s'; it must be %s or %s".formatted(
                    algorithm, AES, KMS));
        }
        if (keyId.isPresent() && !algorithm.equals(KMS)) {
            throw new IllegalArgumentException("the store's encryption is " + algorithm + "; a key goes with " + KMS + " alone");
        }
    }

    /** The headers of a PUT. */
    Map<String, String> headers() {
        return keyId.map(key -> Map.of("x-amz-server-side-encryption", algorithm,
                        "x-amz-server-side-encryption-aws-kms-key-id", key))
                .orElse(Map.of("x-amz-server-side-encryption", algorithm));
    }
}
