package dev.darkroom.contract;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.ValidationMessage;
import dev.darkroom.contract.ReadResult.Refused;
import dev.darkroom.contract.ReadResult.Undecodable;
import dev.darkroom.contract.ReadResult.Understood;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** Reads requests. Thread-safe. */
public final class RequestReader extends EventReader<ReadResult> {

    /** Violations told in one message. */
    private static final int MAX_VIOLATIONS = 3;

    private final Schemas schemas = new Schemas();
    private final JsonSchema schema = schemas.of(EventType.REQUESTED);

    public RequestReader() {
        super(EventType.REQUESTED);
    }

    /** Reads a request as its sender would write it: whether it is one that may be sent. */
    public ReadResult read(GenerationRequest request) {
        return read(RequestJson.of(request).toString().getBytes(StandardCharsets.UTF_8));
    }

    @Override
    ReadResult understand(JsonNode json) throws UndecodableException {
        return read(requestId(json), json);
    }

    @Override
    ReadResult undecodable(String message) {
        return new Undecodable(message);
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
        if (!violations.isEmpty()) {
            String sentences = violations.values().stream().limit(MAX_VIOLATIONS).map(Violation::sentence)
                    .collect(Collectors.joining(" "));
            return new Refused(requestId, FailureReason.INVALID_REQUEST, violations.keySet().iterator().next(),
                    violations.size() > MAX_VIOLATIONS ? sentences + " And there is more." : sentences);
        }
        return new Understood(request(requestId, json, text(json, "deadline").map(Rfc3339::parse)));
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
                json.has("image") ? Optional.of(image(json)) : Optional.empty(),
                json.has("mask") ? Optional.of(object(json.get("mask"))) : Optional.empty(),
                json.has("seed") ? OptionalLong.of(json.get("seed").longValue()) : OptionalLong.empty(),
                integer(json, "count").orElse(1),
                format,
                text(json.path("output"), "link").map(LinkValidity::parse),
                deadline,
                metadata);
    }

    private static InputImage image(JsonNode json) {
        JsonNode image = json.get("image");
        ObjectReference object = object(image);
        return new InputImage(object.bucket(), object.key(), object.sha256(),
                number(image, "strength").orElse(
                        json.has("mask") ? InputImage.DEFAULT_STRENGTH_WITH_MASK : InputImage.DEFAULT_STRENGTH),
                text(image, "fit").orElse(InputImage.DEFAULT_FIT));
    }

    private static ObjectReference object(JsonNode json) {
        String sha256 = json.get("sha256").textValue();
        return text(json, "uri").map(uri -> ObjectReference.at(uri, sha256)).orElseGet(() ->
                new ObjectReference(json.get("bucket").textValue(), json.get("key").textValue(), sha256));
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
}
