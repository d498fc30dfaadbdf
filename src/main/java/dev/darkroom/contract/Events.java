package dev.darkroom.contract;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.format.EventDeserializationException;
import io.cloudevents.jackson.JsonFormat;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;

/**
 * Requests, cancellations, outcomes and progress as CloudEvents, and these as JSON. An event's id is derived from the
 * id of its request, so that an outcome that is told twice is recognised as one. Thread-safe.
 */
public final class Events {

    /** Media type of an event that is stored whole. */
    public static final String STRUCTURED_CONTENT_TYPE = "application/cloudevents+json";

    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .addModule(new Jdk8Module())
            .addModule(new JavaTimeModule())
            .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
            .defaultPropertyInclusion(JsonInclude.Value.construct(JsonInclude.Include.NON_ABSENT, null))
            // A worker must read what a newer one has stored
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    private static final JsonFormat FORMAT = new JsonFormat();

    /** The end of the year 9999. */
    private static final long LAST_TIMESTAMP = Instant.parse("9999-12-31T23:59:59.999Z").toEpochMilli();

    private final URI source;

    /**
     * @param source the CloudEvents {@code source} of every event, a URI reference such as {@code /darkroom}
     * @throws IllegalArgumentException if it is not a URI reference
     */
    public Events(String source) {
        this.source = URI.create(source);
    }

    /** A request, with the id {@code <requestId>.requested}. */
    public CloudEvent of(GenerationRequest request, Instant time) {
        return event(EventType.REQUESTED, request.requestId(), "", RequestJson.of(request), time);
    }

    /** A cancellation, with the id {@code <requestId>.cancelled}. */
    public CloudEvent of(Cancellation cancellation, Instant time) {
        return event(EventType.CANCELLED, cancellation.requestId(), "", cancellation, time);
    }

    /** An outcome, with the id {@code <requestId>.completed} or {@code <requestId>.failed}. */
    public CloudEvent of(Outcome outcome, Instant time) {
        EventType type = outcome instanceof Completed ? EventType.COMPLETED : EventType.FAILED;
        return event(type, outcome.requestId(), "", outcome, time);
    }

    /**
     * The outcome of a request that is refused unseen, such as one that breaks the contract. It follows from the request's
     * record alone: its id is {@code <requestId>.failed.<place>}, since one request id may be refused more than once, and its
     * time is that of the record.
     *
     * @param place that of the record, {@code <partition>-<offset>} or {@code express-<partition>-<offset>}
     * @param timestamp the record's timestamp in milliseconds since 1970; what RFC 3339 cannot write is brought near
     */
    public CloudEvent refusal(Failed failed, String place, long timestamp) {
        return event(EventType.FAILED, failed.requestId(), "." + place, failed,
                Instant.ofEpochMilli(Math.max(0, Math.min(timestamp, LAST_TIMESTAMP))));
    }

    /** A sign of life, with the id {@code <requestId>.progress.<step>}. */
    public CloudEvent of(Progress progress, Instant time) {
        return event(EventType.PROGRESS, progress.requestId(), "." + progress.step(), progress, time);
    }

    private CloudEvent event(EventType type, String requestId, String suffix, Object data, Instant time) {
        try {
            return CloudEventBuilder.v1()
                    .withId(requestId + "." + type.label() + suffix)
                    .withSource(source)
                    .withType(type.type())
                    .withSubject(requestId)
                    .withTime(time.atOffset(ZoneOffset.UTC))
                    .withDataSchema(type.schema())
                    // By way of a text: Jackson's writer of bytes escapes what its tree of a stored event does not
                    .withData("application/json", MAPPER.writeValueAsString(data).getBytes(StandardCharsets.UTF_8))
                    .build();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write " + data, e);
        }
    }

    /** An event whole, in CloudEvents' JSON format. */
    public static byte[] toStructured(CloudEvent event) {
        return FORMAT.serialize(event);
    }

    /**
     * The reverse of {@link #toStructured}: the event that comes out makes the same record, byte by byte.
     *
     * @throws EventDeserializationException if it is not an event in CloudEvents' JSON format
     */
    public static CloudEvent fromStructured(byte[] json) {
        return FORMAT.deserialize(json);
    }

    /**
     * The outcome that an event tells.
     *
     * @throws IllegalArgumentException if it tells none, or not in the way of this version
     */
    public static Outcome outcome(CloudEvent event) {
        Class<? extends Outcome> form;
        if (EventType.COMPLETED.type().equals(event.getType())) {
            form = Completed.class;
        } else if (EventType.FAILED.type().equals(event.getType())) {
            form = Failed.class;
        } else {
            throw new IllegalArgumentException("an event of type " + event.getType() + " is not an outcome");
        }
        return data(event, form);
    }

    /**
     * The progress that an event tells.
     *
     * @throws IllegalArgumentException if it tells none, or not in the way of this version
     */
    public static Progress progress(CloudEvent event) {
        if (!EventType.PROGRESS.type().equals(event.getType())) {
            throw new IllegalArgumentException("an event of type " + event.getType() + " is not progress");
        }
        return data(event, Progress.class);
    }

    private static <T> T data(CloudEvent event, Class<T> form) {
        if (event.getData() == null) {
            throw new IllegalArgumentException("event " + event.getId() + " has no data");
        }
        try {
            return MAPPER.readValue(event.getData().toBytes(), form);
        } catch (IOException e) {
            throw new IllegalArgumentException("event " + event.getId() + " cannot be read: " + e.getMessage(), e);
        }
    }
}
