package dev.darkroom.contract;

import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.ValidationMessage;
import dev.darkroom.contract.ReadResult.Refused;
import dev.darkroom.contract.ReadResult.Undecodable;
import dev.darkroom.contract.ReadResult.Understood;
import io.cloudevents.CloudEvent;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * Reads requests: plain JSON, as {@code kafka-console-producer} sends it, and CloudEvents. Nothing that it reads makes it
 * throw, and it takes time in proportion to the size, of which it looks at {@value #MAX_BYTES} bytes at most. Thread-safe.
 */
public final class RequestReader {

    /** Longest value that is looked at, in bytes. */
    public static final int MAX_BYTES = 64 * 1024;

    private static final int MAX_DEPTH = 16;
    /** Violations told in one message. */
    private static final int MAX_VIOLATIONS = 3;
    /** Longest part of another library's message that is repeated, in characters. */
    private static final int MAX_MESSAGE = 200;

    private static final ObjectMapper MAPPER = JsonMapper.builder(new JsonFactoryBuilder()
                    .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
                    .build())
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Schemas schemas = new Schemas();
    private final JsonSchema schema = schemas.of(EventType.REQUESTED);

    /**
     * Reads a request in plain JSON.
     *
     * @param value null for a tombstone
     */
    public ReadResult read(byte[] value) {
        return read(value, data -> data);
    }

    /**
     * Reads a request that comes as a CloudEvent whose attributes are not in the value.
     *
     * @param value null for a tombstone
     * @param event the event as a whole; throws if it is none
     */
    public ReadResult read(byte[] value, Supplier<CloudEvent> event) {
        return read(value, unread -> data(event));
    }

    /**
     * Reads a request that comes as a CloudEvent in CloudEvents' JSON format.
     *
     * @param value null for a tombstone
     */
    public ReadResult readStructured(byte[] value) {
        return read(value, json -> {
            // The library would let duplicate keys and endless nesting pass
            parse(json);
            return data(() -> Events.fromStructured(json));
        });
    }

    /** The way from a value to the JSON text of a request. */
    private interface Envelope {
        byte[] open(byte[] value) throws UndecodableException;
    }

    private ReadResult read(byte[] value, Envelope envelope) {
        try {
            checkSize(value);
            JsonNode json = parse(envelope.open(value));
            if (!json.isObject()) {
                throw new UndecodableException("the value must be a JSON object, but is " + json.getNodeType().name()
                        .toLowerCase(Locale.ROOT));
            }
            return read(requestId(json), json);
        } catch (UndecodableException e) {
            return new Undecodable(Violation.printable(e.getMessage(), MAX_MESSAGE));
        } catch (RuntimeException e) {
            // One record must not stop its partition, not even one that finds a fault in a library
            return new Undecodable(Violation.printable("the record cannot be read: " + e, MAX_MESSAGE));
        }
    }

    private ReadResult read(String requestId, JsonNode json) {
        Map<String, Violation> violations = new LinkedHashMap<>();
        findInfinite("", json, violations);
        if (violations.isEmpty()) {
            for (ValidationMessage found : schema.validate(json)) {
                if (violations.size() > MAX_VIOLATIONS) {
                    break;
                }
                Violation violation = Violation.of(found, schemas);
                violations.putIfAbsent(violation.field(), violation);
            }
        }
        if (violations.isEmpty() && json.has("seed") && !json.get("seed").isIntegralNumber()) {
            // A whole number to the schema, but a double has lost its last digits
            violations.put("seed", Violation.of("seed", "a whole number without fraction and exponent",
                    json.get("seed")));
        }
        if (violations.isEmpty()) {
            findRepeatedAdapter(json.path("adapters")).ifPresent(twice -> violations.put(twice.field(), twice));
        }
        Optional<Instant> deadline = Optional.empty();
        if (violations.isEmpty() && json.has("deadline")) {
            try {
                deadline = Optional.of(OffsetDateTime.parse(json.get("deadline").textValue()).toInstant());
            } catch (DateTimeException e) {
                // RFC 3339 has leap seconds and a space for the T, Java has not
                violations.put("deadline", Violation.of("deadline",
                        "a date and time such as 2026-01-31T12:00:00Z, without a leap second", json.get("deadline")));
            }
        }
        if (!violations.isEmpty()) {
            String sentences = violations.values().stream().limit(MAX_VIOLATIONS).map(Violation::sentence)
                    .collect(Collectors.joining(" "));
            return new Refused(requestId, FailureReason.INVALID_REQUEST, violations.keySet().iterator().next(),
                    violations.size() > MAX_VIOLATIONS ? sentences + " And there is more." : sentences);
        }
        return new Understood(request(requestId, json, deadline));
    }

    private static GenerationRequest request(String requestId, JsonNode json, Optional<Instant> deadline) {
        JsonNode guidance = json.path("guidance");
        Overrides overrides = new Overrides(integer(json, "width"), integer(json, "height"), integer(json, "steps"),
                text(json, "scheduler"), number(guidance, "scale"), number(guidance, "cutoff"), text(json, "decoder"),
                StreamSupport.stream(json.path("adapters").spliterator(), false)
                        .map(adapter -> new Adapter(adapter.get("name").textValue(), number(adapter, "scale").orElse(1)))
                        .toList());
        ImageFormat format = text(json.path("output"), "format")
                .map(label -> MAPPER.convertValue(label, ImageFormat.class))
                .orElse(ImageFormat.PNG);
        Map<String, String> metadata = new LinkedHashMap<>();
        json.path("metadata").properties().forEach(e -> metadata.put(e.getKey(), e.getValue().textValue()));
        return new GenerationRequest(
                requestId,
                json.get("prompt").textValue(),
                text(json, "negativePrompt").orElse(""),
                text(json, "promptSyntax").orElse(GenerationRequest.DEFAULT_PROMPT_SYNTAX),
                text(json, "profile").orElse(GenerationRequest.DEFAULT_PROFILE),
                overrides,
                json.has("seed") ? OptionalLong.of(json.get("seed").longValue()) : OptionalLong.empty(),
                integer(json, "count").orElse(1),
                format,
                deadline,
                metadata);
    }

    private static Optional<String> text(JsonNode json, String field) {
        return Optional.ofNullable(json.path(field).textValue());
    }

    private static OptionalInt integer(JsonNode json, String field) {
        return json.has(field) ? OptionalInt.of(json.get(field).intValue()) : OptionalInt.empty();
    }

    private static OptionalDouble number(JsonNode json, String field) {
        return json.has(field) ? OptionalDouble.of(json.get(field).doubleValue()) : OptionalDouble.empty();
    }

    private static void checkSize(byte[] value) throws UndecodableException {
        if (value == null) {
            throw new UndecodableException("the record has no value (a tombstone)");
        }
        if (value.length == 0) {
            throw new UndecodableException("the value is empty");
        }
        if (value.length > MAX_BYTES) {
            throw new UndecodableException("the value must have at most " + MAX_BYTES + " bytes, but has "
                    + value.length);
        }
    }

    private static byte[] data(Supplier<CloudEvent> supplier) throws UndecodableException {
        CloudEvent event;
        try {
            event = supplier.get();
        } catch (RuntimeException e) {
            // Beside its own CloudEventRWException the library lets others through, such as for a null header
            throw new UndecodableException("the record is not a CloudEvent: "
                    + (e.getCause() instanceof JsonProcessingException json ? told(json) : e.getMessage()));
        }
        if (!event.getType().equals(EventType.REQUESTED.type())) {
            throw new UndecodableException("the CloudEvent's type must be " + EventType.REQUESTED.type() + ", but is "
                    + event.getType());
        }
        String contentType = event.getDataContentType();
        if (contentType != null && !isJson(contentType)) {
            throw new UndecodableException("the CloudEvent's data must be application/json, but is " + contentType);
        }
        if (event.getData() == null) {
            throw new UndecodableException("the CloudEvent has no data");
        }
        return event.getData().toBytes();
    }

    private static boolean isJson(String contentType) {
        String mediaType = contentType.toLowerCase(Locale.ROOT).split(";", 2)[0].strip();
        return mediaType.equals("application/json") || mediaType.endsWith("+json");
    }

    private static JsonNode parse(byte[] json) throws UndecodableException {
        String text;
        try {
            // Jackson guesses the encoding and forgives what is not UTF-8
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json)).toString();
        } catch (CharacterCodingException e) {
            throw new UndecodableException("the value is not UTF-8");
        }
        if (text.startsWith("\uFEFF")) {
            throw new UndecodableException("the value begins with a byte order mark, which JSON does not allow");
        }
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new UndecodableException("the value is not JSON: " + told(e));
        }
    }

    /** What Jackson found, without what only a programmer can act upon. */
    private static String told(JsonProcessingException e) {
        String found = e.getOriginalMessage()
                .replaceFirst(" \\(start marker.*| \\(of type.*| \\(for (Object|Array) starting.*|, from `[^`]*`", "")
                .replaceFirst(": enable `.*", "");
        return e.getLocation() == null
                ? found
                : "line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr() + ": " + found;
    }

    private static String requestId(JsonNode json) throws UndecodableException {
        JsonNode requestId = json.path("requestId");
        if (requestId.isMissingNode()) {
            throw new UndecodableException("requestId is missing; it must be " + Identity.REQUEST_ID_ALLOWED);
        }
        if (!requestId.isTextual() || !Identity.REQUEST_ID.matcher(requestId.textValue()).matches()) {
            throw new UndecodableException(Violation.of("requestId", Identity.REQUEST_ID_ALLOWED, requestId).sentence());
        }
        return requestId.textValue();
    }

    private static Optional<Violation> findRepeatedAdapter(JsonNode adapters) {
        Set<String> names = new HashSet<>();
        for (int i = 0; i < adapters.size(); i++) {
            JsonNode name = adapters.get(i).get("name");
            if (!names.add(name.textValue())) {
                return Optional.of(Violation.of("adapters." + i + ".name", "another than those before it", name));
            }
        }
        return Optional.empty();
    }

    /** Finds numbers beyond a double, at which the validator fails instead of comparing them. */
    private static void findInfinite(String field, JsonNode json, Map<String, Violation> violations) {
        if (json.isNumber() && !Double.isFinite(json.doubleValue())) {
            violations.put(field, new Violation(field, field + " is a number beyond all limits."));
        }
        json.properties().forEach(entry -> findInfinite(
                Violation.child(field, entry.getKey()), entry.getValue(), violations));
        if (json.isArray()) {
            json.forEach(element -> findInfinite(field, element, violations));
        }
    }

    private static final class UndecodableException extends Exception {
        UndecodableException(String message) {
            super(message);
        }
    }
}
