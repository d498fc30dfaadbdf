package dev.darkroom.contract;

import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.cloudevents.CloudEvent;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * Reads events of one type: plain JSON, as {@code kafka-console-producer} sends it, and CloudEvents. Nothing that it reads
 * makes it throw, and it takes time in proportion to the size, of which it looks at {@value #MAX_BYTES} bytes at most.
 *
 * @param <R> what is read
 */
public abstract class EventReader<R> {

    /** Longest value that is looked at, in bytes. */
    public static final int MAX_BYTES = 64 * 1024;

    private static final int MAX_DEPTH = 16;
    /** Longest part of another library's message that is repeated, in characters. */
    private static final int MAX_MESSAGE = 200;

    static final ObjectMapper MAPPER = JsonMapper.builder(new JsonFactoryBuilder()
                    .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
                    .build())
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final EventType type;

    EventReader(EventType type) {
        this.type = type;
    }

    /** What an object in JSON says. */
    abstract R understand(JsonNode json) throws UndecodableException;

    /** What is made of a value that says nothing; the message is a sentence for a person. */
    abstract R undecodable(String message);

    /**
     * Reads plain JSON.
     *
     * @param value null for a tombstone
     */
    public R read(byte[] value) {
        return read(value, data -> data);
    }

    /**
     * Reads a CloudEvent whose attributes are not in the value.
     *
     * @param value null for a tombstone
     * @param event the event as a whole; throws if it is none
     */
    public R read(byte[] value, Supplier<CloudEvent> event) {
        return read(value, unread -> data(event));
    }

    /**
     * Reads a CloudEvent in CloudEvents' JSON format.
     *
     * @param value null for a tombstone
     */
    public R readStructured(byte[] value) {
        return read(value, json -> {
            // The library would let duplicate keys and endless nesting pass
            parse(json);
            return data(() -> Events.fromStructured(json));
        });
    }

    /** The way from a value to the JSON text of the data. */
    private interface Envelope {
        byte[] open(byte[] value) throws UndecodableException;
    }

    private R read(byte[] value, Envelope envelope) {
        try {
            checkSize(value);
            JsonNode json = parse(envelope.open(value));
            if (!json.isObject()) {
                throw new UndecodableException("the value must be a JSON object, but is " + json.getNodeType().name()
                        .toLowerCase(Locale.ROOT));
            }
            return understand(json);
        } catch (UndecodableException e) {
            return undecodable(Printable.of(e.getMessage(), MAX_MESSAGE));
        } catch (RuntimeException e) {
            // One record must not stop its partition, not even one that finds a fault in a library
            return undecodable(Printable.of("the record cannot be read: " + plain(e.getMessage()), MAX_MESSAGE));
        }
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

    private byte[] data(Supplier<CloudEvent> supplier) throws UndecodableException {
        CloudEvent event;
        try {
            event = supplier.get();
        } catch (RuntimeException e) {
            // Beside its own CloudEventRWException the library lets others through, such as for a null header
            throw new UndecodableException("the record is not a CloudEvent: "
                    + (e.getCause() instanceof JsonProcessingException json ? told(json) : plain(e.getMessage())));
        }
        if (!event.getType().equals(type.type())) {
            throw new UndecodableException("the CloudEvent's type must be " + type.type() + ", but is "
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
        String found = plain(e.getOriginalMessage())
                .replaceFirst(" \\(start marker.*| \\(of type.*| \\(for (Object|Array) starting.*|, from `[^`]*`", "")
                .replaceFirst(": enable `.*|: maybe a \\(non-standard\\).*", "");
        return e.getLocation() == null
                ? found
                : "line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr() + ": " + found;
    }

    /** A library's message, without the classes that it names. */
    private static String plain(String message) {
        if (message == null) {
            return "it cannot be read";
        }
        return message
                .replaceFirst("^Invalid attribute/extension type for \"(.*)\": Type[\\w.$]+\\. Value: (.*)$",
                        "the attribute $1 must be a text, a whole number of 32 bits, true or false, but is $2")
                .replaceFirst("^Cannot access contents of \\w+ as binary.*", "data_base64 is not Base64")
                .replaceAll("(?:class )?(?:[a-z]\\w*\\.){2,}[A-Z][\\w$]*", "a class of the worker");
    }

    /** The id of the request that it is about. */
    static String requestId(JsonNode json) throws UndecodableException {
        JsonNode requestId = json.path("requestId");
        if (requestId.isMissingNode()) {
            throw new UndecodableException("requestId is missing; it must be " + Identity.REQUEST_ID_ALLOWED);
        }
        if (!requestId.isTextual() || !Identity.REQUEST_ID.matcher(requestId.textValue()).matches()) {
            throw new UndecodableException(Violation.of("requestId", Identity.REQUEST_ID_ALLOWED, requestId).sentence());
        }
        return requestId.textValue();
    }

    static final class UndecodableException extends Exception {
        UndecodableException(String message) {
            super(message);
        }
    }
}
