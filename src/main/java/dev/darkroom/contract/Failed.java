package dev.darkroom.contract;

import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * There will be no images: the data of {@code dev.darkroom.image.failed.v1}.
 *
 * @param requestId identity of the request
 * @param reason why, from a closed list
 * @param field the offending field of the request, as {@code guidance.scale}; empty where no single field is to blame
 * @param message a sentence for a person: what was wrong and what is allowed
 * @param retryable whether the same request, sent again under a new id, may succeed
 * @param metadata the request's own strings, sorted by key; empty where the request could not be understood
 */
public record Failed(
        String requestId,
        FailureReason reason,
        Optional<String> field,
        String message,
        boolean retryable,
        Map<String, String> metadata) implements Outcome {

    public Failed {
        metadata = metadata == null ? Map.of() : Collections.unmodifiableMap(new TreeMap<>(metadata));
    }

    @Override
    public String outcome() {
        return EventType.FAILED.label();
    }

    /** A failure that is as retryable as its reason. */
    public Failed(String requestId, FailureReason reason, Optional<String> field, String message,
            Map<String, String> metadata) {
        this(requestId, reason, field, message, reason.retryable(), metadata);
    }
}
