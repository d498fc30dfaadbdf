package dev.darkroom.page;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.Outcome;
import dev.darkroom.contract.Printable;
import dev.darkroom.contract.Progress;
import io.cloudevents.CloudEvent;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;

/**
 * What the topics tell of one request. They tell it in any order, since there is none between topics: what is known of an
 * outcome stays, whatever comes after it. Guarded by {@link LatestRequests}.
 */
final class TrackedRequest {

    /** Prompts are shown in a line; the whole of one is in the request and in the event. */
    private static final int PROMPT_SHOWN = 240;
    private static final int DIGEST_SHOWN = 12;

    private final String id;
    private long version;
    private long heard;
    private long requested;
    private String lane = "";
    private String prompt = "";
    private String profile = "";
    private int count = 1;
    private RecordPlace place;
    private byte[] request;
    private Progress progress;
    private String worker = "";
    private CloudEvent event;
    private Outcome outcome;

    TrackedRequest(String id) {
        this.id = id;
    }

    String id() {
        return id;
    }

    long version() {
        return version;
    }

    /** @param time when it was told, in milliseconds since 1970 */
    void changed(long newVersion, long time) {
        version = newVersion;
        heard = Math.max(heard, time);
    }

    void requested(RequestRecord record) {
        requested = requested == 0 ? record.timestamp() : requested;
        lane = record.lane();
        prompt = record.prompt();
        profile = record.profile();
        count = record.count();
        place = record.place();
        request = record.json();
    }

    void progressed(Progress sign, String source) {
        progress = sign;
        worker = source;
    }

    void concluded(CloudEvent told, Outcome what) {
        event = told;
        outcome = what;
        worker = told.getSource().toString();
    }

    boolean isAt(RecordPlace other) {
        return other.equals(place);
    }

    /** Whether its record lies before the next one that the group would be given. */
    boolean isBefore(RecordPlace committed) {
        return place != null && place.isBefore(committed);
    }

    /** Whether nothing was told since a moment, in milliseconds since 1970. */
    boolean isSilentSince(long time) {
        return heard < time;
    }

    State state() {
        if (outcome != null) {
            return outcome instanceof Completed ? State.COMPLETED : State.FAILED;
        }
        return progress != null ? State.RUNNING : State.WAITING;
    }

    /** The request's JSON as it was sent; empty if the page did not see it or it is too long to be kept. */
    Optional<byte[]> request() {
        return Optional.ofNullable(request);
    }

    /** The event of its outcome; empty if there is none yet. */
    Optional<CloudEvent> event() {
        return Optional.ofNullable(event);
    }

    /** One of its images; empty if it has none of this number. */
    Optional<Completed.Image> image(int index) {
        return outcome instanceof Completed completed && index >= 0 && index < completed.images().size()
                ? Optional.of(completed.images().get(index)) : Optional.empty();
    }

    /** What a list shows of it. */
    ObjectNode summary() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("id", id).put("state", state().label()).put("requested", requested).put("heard", heard);
        if (!lane.isEmpty()) {
            json.put("lane", lane);
        }
        json.put("count", count);
        if (progress != null) {
            json.put("step", progress.step()).put("total", progress.total());
        }
        if (!worker.isEmpty()) {
            json.put("worker", worker);
        }
        String shownPrompt = prompt;
        String shownProfile = profile;
        if (outcome instanceof Completed completed) {
            shownPrompt = completed.parameters().prompt();
            shownProfile = completed.parameters().profile();
            json.put("took", completed.timings().total());
            ArrayNode images = json.putArray("images");
            completed.images().forEach(image -> images.addObject().put("width", image.width()).put("height", image.height())
                    .put("seed", Long.toString(image.seed()))
                    .put("digest", image.sha256().substring(0, Math.min(DIGEST_SHOWN, image.sha256().length()))));
        } else if (outcome instanceof Failed failed) {
            json.put("reason", failed.reason().name()).put("message", failed.message()).put("retryable", failed.retryable());
            failed.field().ifPresent(field -> json.put("field", field));
        }
        json.put("prompt", Printable.of(shownPrompt, PROMPT_SHOWN)).put("profile", shownProfile);
        if (event != null) {
            json.put("ended", event.getTime() == null ? heard : Instant.from(event.getTime()).toEpochMilli());
        }
        return json;
    }

    /** How far a request is. */
    enum State {
        WAITING,
        RUNNING,
        COMPLETED,
        FAILED;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }
}
