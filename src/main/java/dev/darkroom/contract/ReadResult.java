package dev.darkroom.contract;

import java.util.Map;
import java.util.Optional;

/** What a record on the topic of requests turned out to be. */
public sealed interface ReadResult {

    /**
     * A valid request.
     *
     * @param request the request
     */
    record Understood(GenerationRequest request) implements ReadResult {
    }

    /**
     * Not a valid request, but it says who asks: to be answered by a failed event.
     *
     * @param requestId identity of the request, itself valid
     * @param reason why
     * @param field the first offending field, as {@code guidance.scale}
     * @param message a sentence for a person: what was wrong and what is allowed
     */
    record Refused(String requestId, FailureReason reason, String field, String message) implements ReadResult {

        /** The outcome of the request. */
        public Failed outcome() {
            return new Failed(requestId, reason, Optional.of(field), message, Map.of());
        }
    }

    /**
     * Nobody to answer: to be put on the dead-letter topic.
     *
     * @param message a sentence for a person: what was wrong and what is allowed
     */
    record Undecodable(String message) implements ReadResult {
    }
}
