package dev.darkroom.contract;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchema;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Requests that are nearly right: each has the fields that start from pictures, add adapters, weigh words and ask for links,
 * and one to three changes that nobody thought of. The same seed gives the same requests.
 */
public final class MutatedRequests {

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            // half a character has no UTF-8
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .build();
    private static final int LONGEST = RequestReader.MAX_BYTES / 4;
    private static final String SHA256 = "0123456789abcdef".repeat(4);

    /** Whole but for their ids. What starts from no picture has a size that no model offers, so that none is generated. */
    private static final List<String> WHOLE = List.of(
            """
            {"prompt": "a toy rocket", "image": {"uri": "s3://photos/rocket.jpg", "sha256": "%1$s", "strength": 0.6,
             "fit": "contain"}, "mask": {"bucket": "photos", "key": "mask.png", "sha256": "%1$s"}}""",
            """
            {"prompt": "a clay vase", "adapters": [{"name": "ink", "scale": 0.5}, {"name": "wash", "scale": -1}], "seed": 7}""",
            """
            {"prompt": "a (red:1.3) [apple] (((on))) teal", "negativePrompt": "(blurry:0.5)", "promptSyntax": "weighted"}""",
            """
            {"prompt": "a kite", "output": {"format": "webp", "link": "24h"}, "count": 2, "profile": "fast"}""",
            """
            {"prompt": "a sunflower", "image": {"bucket": "photos", "key": "a/b.png", "sha256": "%1$s"}, "scheduler": "lcm",
             "steps": 4, "adapters": [{"name": "wash"}], "guidance": {"scale": 1, "cutoff": 0.4}, "metadata": {"order": "4711"},
             "output": {"link": "7d"}, "deadline": "2099-01-01T00:00:00Z"}""");

    private static final List<String> HOSTILE = List.of(
            "null", "true", "false", "0", "-1", "1", "0.5", "1e400", "-1e-400", "4.0001", "9223372036854775807",
            "1e999999999", "\"\"", "\" \"", "\"NaN\"", "\"ink\"", "\"../ink\"", "\"ink:0.5\"", "\"\\u0000\"", "\"\\ud800\"",
            "\"24h\"", "\"8d\"", "\"-1h\"", "\"P1D\"", "\"s3://photos/..\"", "\"http://169.254.169.254/\"",
            "\"file:///etc/passwd\"", "\"weighted\"", "\"(a:1e400)\"", "\"((((((((((((((((((((\"", "\"(a:)\"", "\"🍎\"",
            "[]", "[[]]", "{}", "{\"uri\": \"s3://photos/a.png\"}", "[{\"name\": \"ink\"}]",
            "{\"name\": \"ink\", \"scale\": 1}", "\"" + "(".repeat(1_900) + "\"", "\"" + "é".repeat(2_001) + "\"",
            "\"" + SHA256.toUpperCase(Locale.ROOT) + "\"");

    private static final List<String> ADDED = List.of("image", "mask", "adapters", "link", "strength", "scale");

    private final JsonSchema schema = new Schemas().of(EventType.REQUESTED);
    private final Random random;

    private MutatedRequests(long seed) {
        random = new Random(seed);
    }

    /** As many requests, by their ids, which begin with {@code prefix}. */
    public static List<Mutated> of(int count, long seed, String prefix) {
        MutatedRequests requests = new MutatedRequests(seed);
        return IntStream.range(0, count).mapToObj(i -> requests.next(prefix + i, i)).toList();
    }

    /**
     * @param value a JSON object whose {@code requestId} is right
     * @param valid whether it keeps the schema of requests, and names no adapter twice
     */
    public record Mutated(String requestId, String value, boolean valid) {
    }

    private Mutated next(String requestId, int index) {
        ObjectNode request = parse(WHOLE.get(index % WHOLE.size()).formatted(SHA256)).deepCopy();
        if (!request.has("image")) {
            request.put("width", 2048).put("height", 2048);
        }
        for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
            change(request);
        }
        request.put("requestId", requestId);
        String value = write(request);
        // what is longer is a dead letter
        return value.length() > LONGEST ? next(requestId, index) : new Mutated(requestId, value, isValid(request));
    }

    private boolean isValid(ObjectNode request) {
        // The library would write out all of its digits; no field may be that large
        return !request.toString().contains("E+999999999") && schema.validate(request).isEmpty()
                && request.path("adapters").valueStream().map(adapter -> adapter.path("name")).distinct().count()
                        == request.path("adapters").size();
    }

    /** Changes one value somewhere in the request. */
    private void change(ObjectNode request) {
        List<JsonNode> containers = containers(request).toList();
        JsonNode place = containers.get(random.nextInt(containers.size()));
        JsonNode hostile = parse(HOSTILE.get(random.nextInt(HOSTILE.size())));
        if (place instanceof ArrayNode array) {
            switch (array.isEmpty() ? 0 : random.nextInt(3)) {
                case 0 -> array.add(hostile);
                case 1 -> array.set(random.nextInt(array.size()), hostile);
                default -> IntStream.range(0, 1 + random.nextInt(40)).forEach(i -> array.add(array.get(0).deepCopy()));
            }
        } else if (place instanceof ObjectNode object) {
            List<String> names = new ArrayList<>();
            object.fieldNames().forEachRemaining(names::add);
            String name = names.isEmpty() ? "name" : names.get(random.nextInt(names.size()));
            switch (random.nextInt(5)) {
                case 0 -> object.remove(name);
                case 1 -> object.set(name + "s", object.path(name).deepCopy());
                case 2 -> object.set(ADDED.get(random.nextInt(ADDED.size())), hostile);
                default -> object.set(name, hostile);
            }
        }
    }

    private static Stream<JsonNode> containers(JsonNode node) {
        return node.isContainerNode() ? Stream.concat(Stream.of(node), node.valueStream().flatMap(MutatedRequests::containers))
                : Stream.empty();
    }

    private static String write(JsonNode json) {
        try {
            return JSON.writeValueAsString(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    @SuppressWarnings("unchecked")
    private static <T extends JsonNode> T parse(String json) {
        try {
            return (T) JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(json, e);
        }
    }
}
