package dev.darkroom.page;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Outcome;
import dev.darkroom.contract.Progress;
import io.cloudevents.CloudEvent;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * The requests that were last heard of, {@value #LIMIT} at most: the oldest gives way. Every change of a request has a number of
 * its own, so that whoever knows the state up to one can be told what came after it. Thread-safe.
 */
final class LatestRequests {

    static final int LIMIT = 10_000;

    private final Map<String, TrackedRequest> byId = new LinkedHashMap<>();
    private final NavigableMap<Long, TrackedRequest> byVersion = new TreeMap<>();
    /** Ids of those that were removed though they came to no outcome, so that who knows of them is told. */
    private final NavigableMap<Long, String> removed = new TreeMap<>();
    private long version;

    synchronized void requested(RequestRecord record) {
        change(record.id(), record.timestamp(), request -> request.requested(record));
    }

    /** @param timestamp in milliseconds since 1970 */
    synchronized void progressed(Progress progress, String source, long timestamp) {
        change(progress.requestId(), timestamp, request -> request.progressed(progress, source));
    }

    /** @param timestamp in milliseconds since 1970 */
    synchronized void concluded(CloudEvent event, Outcome outcome, long timestamp) {
        change(outcome.requestId(), timestamp, request -> request.concluded(event, outcome));
    }

    private void change(String id, long timestamp, Consumer<TrackedRequest> change) {
        TrackedRequest request = byId.remove(id);
        if (request == null) {
            request = new TrackedRequest(id);
        } else {
            byVersion.remove(request.version());
        }
        change.accept(request);
        request.changed(++version, timestamp);
        byId.put(id, request);
        byVersion.put(version, request);
        if (byId.size() > LIMIT) {
            Iterator<TrackedRequest> oldest = byId.values().iterator();
            byVersion.remove(oldest.next().version());
            oldest.remove();
        }
    }

    /** The request whose record lies there is not to come to an outcome: it is on the topic of dead letters. */
    synchronized void remove(RecordPlace place) {
        removeOpen(request -> request.isAt(place));
    }

    /**
     * Removes requests without an outcome that the workers are done with: their outcome was told before the page began to
     * read.
     *
     * @param committed the next record of each partition that the group would be given
     * @param silentSince in milliseconds since 1970; of what was heard of since, the outcome may be on its way
     */
    synchronized void removeDone(List<RecordPlace> committed, long silentSince) {
        removeOpen(request -> request.isSilentSince(silentSince) && committed.stream().anyMatch(request::isBefore));
    }

    /** Removes requests that are said to be generated, but of which nothing was heard since a moment, in milliseconds. */
    synchronized void removeSilent(long since) {
        removeOpen(request -> request.state() == TrackedRequest.State.RUNNING && request.isSilentSince(since));
    }

    private void removeOpen(Predicate<TrackedRequest> condition) {
        byId.values().removeIf(request -> {
            boolean gone = request.event().isEmpty() && condition.test(request);
            if (gone) {
                byVersion.remove(request.version());
                removed.put(++version, request.id());
                if (removed.size() > LIMIT) {
                    removed.pollFirstEntry();
                }
            }
            return gone;
        });
    }

    /** What changed after a version, in the order of the changes; {@code most} changes at most. */
    synchronized Changes since(long known, int most) {
        NavigableMap<Long, ObjectNode> changes = new TreeMap<>();
        byVersion.tailMap(known, false).values().stream().limit(most)
                .forEach(request -> changes.put(request.version(), request.summary()));
        removed.tailMap(known, false).entrySet().stream().limit(most).forEach(gone -> changes.put(gone.getKey(),
                JsonNodeFactory.instance.objectNode().put("id", gone.getValue()).put("state", "gone")));
        while (changes.size() > most) {
            changes.pollLastEntry();
        }
        return new Changes(changes.isEmpty() ? known : changes.lastKey(), List.copyOf(changes.values()));
    }

    /** How many there are of each state. */
    synchronized Map<TrackedRequest.State, Integer> counts() {
        Map<TrackedRequest.State, Integer> counts = new EnumMap<>(TrackedRequest.State.class);
        byId.values().forEach(request -> counts.merge(request.state(), 1, Integer::sum));
        return counts;
    }

    /** The image of a request; empty if it is not known. */
    synchronized Optional<Completed.Image> image(String id, int index) {
        return Optional.ofNullable(byId.get(id)).flatMap(request -> request.image(index));
    }

    /** The request as it was sent and the event of its outcome, as far as they are known; empty if neither is. */
    synchronized Optional<Documents> documents(String id) {
        return Optional.ofNullable(byId.get(id)).map(request -> new Documents(request.request(), request.event()));
    }

    /**
     * What changed.
     *
     * @param version the state that follows from these changes
     * @param requests a summary of each request that changed
     */
    record Changes(long version, List<ObjectNode> requests) {
    }

    /**
     * What was read of a request.
     *
     * @param request its JSON
     * @param outcome the event
     */
    record Documents(Optional<byte[]> request, Optional<CloudEvent> outcome) {
    }
}
