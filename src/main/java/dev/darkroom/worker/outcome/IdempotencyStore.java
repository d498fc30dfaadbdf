package dev.darkroom.worker.outcome;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.Identity;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.StoredObject;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.format.EventDeserializationException;
import jakarta.enterprise.context.ApplicationScoped;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * What became of each request, kept in the object store under keys that are functions of the request, so that all
 * workers meet there. An outcome is the whole event, which answers every copy of its request. It is written once and
 * never again: whoever comes second finds the first. Attempts that a process did not survive are objects of their own,
 * one each, so that workers that count at the same moment count to two.
 */
@ApplicationScoped
public class IdempotencyStore {

    /** Extension attribute of the outcome event: digest of the request that it answers. */
    static final String REQUEST_DIGEST = "requestdigest";

    private final ImageStore store;

    public IdempotencyStore(ImageStore store) {
        this.store = store;
    }

    /** What is known of a request. */
    public sealed interface Known {
    }

    /**
     * The request has no outcome.
     *
     * @param attempts how often a process ended while it generated the request
     */
    public record Pending(int attempts) implements Known {
    }

    /** The request has its outcome. */
    public record Concluded(CloudEvent outcome) implements Known {
    }

    /** Another request with the same id was here first. */
    public record Taken() implements Known {
    }

    /** Looks a request up. */
    public Known find(Job job) {
        return outcome(job.identity()).orElseGet(() -> new Pending(attempts(job.identity())));
    }

    /** Whether there is an outcome under the request's id. */
    public boolean concluded(Job job) {
        return outcome(job.identity()).isPresent();
    }

    private Optional<Known> outcome(Identity identity) {
        return store.get(ObjectKeys.outcome(identity)).map(content -> {
            CloudEvent outcome = read(identity.requestId(), content);
            return identity.digest().equals(outcome.getExtension(REQUEST_DIGEST)) ? new Concluded(outcome) : new Taken();
        });
    }

    private static CloudEvent read(String requestId, byte[] content) {
        try {
            return Events.fromStructured(content);
        } catch (EventDeserializationException e) {
            throw new IllegalStateException("The stored outcome of request " + requestId + " is no event.", e);
        }
    }

    private int attempts(Identity identity) {
        int attempts = 0;
        while (store.get(ObjectKeys.attempt(identity, attempts + 1)).isPresent()) {
            attempts++;
        }
        return attempts;
    }

    /** Counts an attempt at a request that the process did not survive. */
    public void countAttempt(Identity identity) {
        if (outcome(identity).isPresent()) {
            return;
        }
        // A PUT whose answer was lost is tried again, and finds itself: by this it is told from somebody else's
        byte[] mark = UUID.randomUUID().toString().getBytes(StandardCharsets.UTF_8);
        int number = 1;
        while (!counted(ObjectKeys.attempt(identity, number), mark)) {
            number++;
        }
    }

    private boolean counted(String key, byte[] mark) {
        StoredObject stored = store.putIfAbsent(key, mark, "text/plain", Map.of());
        return stored.created() || store.get(key).filter(content -> Arrays.equals(content, mark)).isPresent();
    }

    /**
     * Writes a request's outcome down, unless it has one.
     *
     * @return the outcome that stays, or that the request id is taken
     */
    public Known conclude(Job job, CloudEvent outcome) {
        Identity identity = job.identity();
        CloudEvent signed = CloudEventBuilder.v1(outcome).withExtension(REQUEST_DIGEST, identity.digest()).build();
        StoredObject stored = store.putIfAbsent(ObjectKeys.outcome(identity), Events.toStructured(signed),
                Events.STRUCTURED_CONTENT_TYPE, Map.of());
        return stored.created() ? new Concluded(signed) : outcome(identity).orElseThrow(() ->
                new IllegalStateException("The stored outcome of request " + identity.requestId() + " was deleted meanwhile."));
    }
}
