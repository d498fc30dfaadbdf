package dev.darkroom.contract;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.ValidationMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * A field that breaks its schema, told to a person.
 *
 * @param field the field, its parents before it, as {@code guidance.scale}
 * @param sentence what was wrong and what is allowed
 */
record Violation(String field, String sentence) {

    /** Longest field name that is repeated in a message, in characters. */
    private static final int LONGEST_FIELD = 100;
    /** Longest value that is repeated in a message, in characters. */
    private static final int LONGEST_VALUE = 60;

    /** Says what a validator found. */
    static Violation of(ValidationMessage found, Schemas schemas) {
        String parent = path(found.getInstanceLocation().toString());
        Optional<JsonNode> condition = schemas.aroundCondition(found.getSchemaLocation());
        if (condition.isPresent()) {
            // What it comes to in the one case or the other says little to whom it was told in one sentence
            return new Violation(parent, parent + " must be " + condition.get().get("description").textValue() + ".");
        }
        JsonNode schema = schemas.around(found.getSchemaLocation());
        switch (found.getType()) {
            case "dependentRequired" -> {
                String field = child(parent, found.getArguments()[0].toString());
                return new Violation(field, field + " is missing, which goes with " + found.getArguments()[1] + ".");
            }
            case "required" -> {
                String field = child(parent, found.getProperty());
                return new Violation(field, field + " is missing; required: " + listed(schema.get("required")) + ".");
            }
            case "propertyNames" -> {
                String field = child(parent, found.getProperty());
                return new Violation(field, field + " is not allowed as a name in " + parent + "; names must be "
                        + schema.at("/propertyNames/allOf/0/description").textValue() + ", at most "
                        + schema.at("/propertyNames/maxLength") + " characters.");
            }
            case "additionalProperties" -> {
                String field = child(parent, found.getProperty());
                List<String> allowed = new ArrayList<>();
                schema.get("properties").fieldNames().forEachRemaining(allowed::add);
                return new Violation(field, field + " is not a known field; allowed"
                        + (parent.isEmpty() ? "" : " in " + parent) + ": " + String.join(", ", allowed) + ".");
            }
            default -> {
                return of(parent, allowed(found.getType(), schema), found.getInstanceNode());
            }
        }
    }

    /** A field that must be something else than it is. */
    static Violation of(String field, String allowed, JsonNode value) {
        return new Violation(field, field + " must be " + allowed + ", but is " + shown(value) + ".");
    }

    private static String allowed(String keyword, JsonNode schema) {
        if (keyword.equals("pattern")) {
            return schema.get("description").textValue();
        }
        if (schema.has("enum")) {
            return "one of " + listed(schema.get("enum"));
        }
        if (schema.has("format")) {
            return "an RFC 3339 date and time, such as " + schema.at("/examples/0").textValue();
        }
        return switch (schema.path("type").asText()) {
            case "integer" -> "a whole number from " + schema.get("minimum") + " to " + schema.get("maximum")
                    + (schema.has("multipleOf") ? ", divisible by " + schema.get("multipleOf") : "");
            case "number" -> "a number from " + schema.get("minimum") + " to " + schema.get("maximum");
            case "object" -> schema.has("maxProperties")
                    ? "an object of at most " + schema.get("maxProperties") + " fields" : "an object";
            case "array" -> "a list of at most " + schema.get("maxItems");
            default -> "a text of " + schema.path("minLength").asInt() + " to " + schema.get("maxLength")
                    + " characters";
        };
    }

    private static String listed(JsonNode names) {
        return StreamSupport.stream(names.spliterator(), false)
                .map(JsonNode::textValue)
                .collect(Collectors.joining(", "));
    }

    private static String shown(JsonNode value) {
        if (value.isTextual()) {
            String text = value.textValue();
            int length = text.codePointCount(0, text.length());
            return length <= LONGEST_VALUE
                    ? '"' + Printable.of(text, LONGEST_VALUE) + '"'
                    : "a text of " + length + " characters";
        }
        if (value.isObject()) {
            return "an object of " + value.size() + (value.size() == 1 ? " field" : " fields");
        }
        if (value.isArray()) {
            return "an array";
        }
        return Printable.of(value.asText(), LONGEST_VALUE);
    }

    /** {@code guidance.scale} for {@code /guidance/scale}. */
    private static String path(String pointer) {
        StringJoiner path = new StringJoiner(".");
        for (JsonPointer rest = JsonPointer.compile(pointer); !rest.matches(); rest = rest.tail()) {
            path.add(rest.getMatchingProperty());
        }
        return Printable.of(path.toString(), LONGEST_FIELD);
    }

    static String child(String parent, String name) {
        String shown = name.isEmpty() ? "\"\"" : name;
        return Printable.of(parent.isEmpty() ? shown : parent + "." + shown, LONGEST_FIELD);
    }
}
