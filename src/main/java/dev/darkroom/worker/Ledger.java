package dev.darkroom.worker;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.StoredObject;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import jakarta.enterprise.context.ApplicationScoped;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Optional;

/**
 * What became of each request, kept in the object store under a key that is a function of the request id. An entry is
 * the outcome event itself, which answers every replay: the first outcome stays, so a request has one, whichever worker
 * meets it and however often. Only for a request whose process ended while it was generated, the entry is a count of
 * such attempts until there is an outcome.
 */
@ApplicationScoped
class Ledger {

    /** Extension attribute of the outcome event: digest of the request that it answers. */
    static final String REQUEST_DIGEST = "requestdigest";

    private final ImageStore store;
    private final ObjectMapper json;

    Ledger(ImageStore store, ObjectMapper json) {
        this.store = store;
        this.json = json;
    }

    /** What the ledger knows of a request. */
    sealed interface Entry {
    }

    /**
     * The request has no outcome.
     *
     * @param attempts how often a process ended while it generated the request
     */
    record Open(int attempts) implements Entry {
    }

    /** The request has its outcome. */
    record Concluded(CloudEvent outcome) implements Entry {
    }

    /** Another request with the same id was here first. */
    record Taken() implements Entry {
    }

    private record Attempts(String request, int attempts) {
    }

    /** Looks a request up. */
    Entry find(GenerationRequest request) {
        return find(request.requestId(), request.digest());
    }

    private Entry find(String requestId, String digest) {
        Optional<byte[]> entry = store.get(ObjectKeys.outcome(requestId));
        return entry.isEmpty() ? new Open(0) : read(entry.get(), requestId, digest);
    }

    /** Counts an attempt at a request that the process did not survive. */
    void countAttempt(String requestId, String digest) {
        if (find(requestId, digest) instanceof Open open) {
            put(requestId, new Attempts(digest, open.attempts() + 1));
        }
    }

    /**
     * Writes a request's outcome down, unless it has one.
     *
     * @return the outcome that stays, or that the request id is taken
     */
    Entry conclude(GenerationRequest request, CloudEvent outcome) {
        CloudEvent signed =
                CloudEventBuilder.v1(outcome).withExtension(REQUEST_DIGEST, request.digest()).build();
        String key = ObjectKeys.outcome(request.requestId());
        byte[] content = Events.toStructured(signed);
        StoredObject stored = store.putIfAbsent(key, content, Events.STRUCTURED_CONTENT_TYPE, Map.of());
        Entry entry = stored.created() ? new Concluded(signed) : find(request);
        if (entry instanceof Open) {
            store.put(key, content, Events.STRUCTURED_CONTENT_TYPE, Map.of());
            return new Concluded(signed);
        }
        return entry;
    }

    private Entry read(byte[] entry, String requestId, String digest) {
        try {
            JsonNode node = json.readTree(entry);
            if (node.has("specversion")) {
                CloudEvent outcome = Events.fromStructured(entry);
                return digest.equals(outcome.getExtension(REQUEST_DIGEST)) ? new Concluded(outcome) : new Taken();
            }
            Attempts attempts = json.treeToValue(node, Attempts.class);
            return attempts.request().equals(digest) ? new Open(attempts.attempts()) : new Taken();
        } catch (IOException e) {
            throw new UncheckedIOException("The ledger's entry of request " + requestId + " is damaged", e);
        }
    }

    private void put(String requestId, Attempts attempts) {
        try {
            store.put(ObjectKeys.outcome(requestId), json.writeValueAsBytes(attempts), "application/json", Map.of());
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }
}
