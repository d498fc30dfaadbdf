package dev.darkroom.contract;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Collections;
import java.util.List;
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
 * @param withheld the images that were generated and not stored, in the order of their seeds; left out if there is none
 * @param retryable whether the same request, sent again under a new id, may succeed
 * @param metadata the request's own strings, sorted by key; empty where the request could not be understood
 */
public record Failed(
        String requestId,
        FailureReason reason,
        Optional<String> field,
        String message,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Withheld> withheld,
        boolean retryable,
        Map<String, String> metadata) implements Outcome {

    public Failed {
        withheld = withheld == null ? List.of() : List.copyOf(withheld);
        metadata = metadata == null ? Map.of() : Collections.unmodifiableMap(new TreeMap<>(metadata));
    }

    @Override
    public String outcome() {
        return EventType.FAILED.label();
    }

    /** A failure that is as retryable as its reason. */
    public Failed(String requestId, FailureReason reason, Optional<String> field, String message,
            Map<String, String> metadata) {
        this(requestId, reason, field, message, List.of(), reason.retryable(), metadata);
    }

    /** All images of the request are withheld. */
    public static Failed withheld(String requestId, List<Withheld> images, Map<String, String> metadata) {
        String message = images.size() == 1
                ? "The safety checker flagged the image, and this worker stores no such image."
                : "The safety checker flagged all " + images.size() + " images, and this worker stores no such image.";
        return new Failed(requestId, FailureReason.WITHHELD, Optional.empty(), message, images,
                FailureReason.WITHHELD.retryable(), metadata);
    }
}
