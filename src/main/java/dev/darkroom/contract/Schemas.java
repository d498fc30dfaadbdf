package dev.darkroom.contract;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.ExecutionContext;
import com.networknt.schema.Format;
import com.networknt.schema.JsonMetaSchema;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.PathType;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.regex.RegularExpression;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The JSON Schemas in {@code schemas/}, taken from the class path and never from the network. Thread-safe. */
final class Schemas {

    private static final Pattern CONDITION = Pattern.compile("(.*?)/(?:then|else)(?:/|$)");

    private static final String COMMON = "common.v1.schema.json";

    private final Map<String, JsonNode> documents = new HashMap<>();
    private final JsonSchemaFactory factory;

    Schemas() {
        Map<String, String> sources = new LinkedHashMap<>();
        read(sources, COMMON);
        for (EventType type : EventType.values()) {
            read(sources, type.schemaFile());
        }
        JsonMetaSchema dialect = JsonMetaSchema.builder(JsonMetaSchema.getV202012()).format(new DateTime()).build();
        factory = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012,
                builder -> builder.metaSchema(dialect).schemaLoaders(loaders -> loaders.schemas(sources)));
    }

    /** What the reader can read, and no less: the library's own is stricter than RFC 3339. */
    private static final class DateTime implements Format {

        @Override
        public String getName() {
            return "date-time";
        }

        @Override
        public boolean matches(ExecutionContext context, String value) {
            try {
                Rfc3339.parse(value);
                return true;
            } catch (DateTimeException e) {
                return false;
            }
        }
    }

    private void read(Map<String, String> sources, String file) {
        String resource = "/schemas/" + file;
        try (InputStream stream = Schemas.class.getResourceAsStream(resource)) {
            if (stream == null) {
                throw new IllegalStateException(resource + " is missing on the class path");
            }
            String source = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
            JsonNode document = new ObjectMapper().readTree(source);
            String id = document.get("$id").textValue();
            sources.put(id, source);
            documents.put(id, document);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + resource, e);
        }
    }

    /** The schema of an event's data, formats being asserted. */
    JsonSchema of(EventType type) {
        SchemaValidatorsConfig config = SchemaValidatorsConfig.builder()
                .formatAssertionsEnabled(true)
                .pathType(PathType.JSON_POINTER)
                .regularExpressionFactory(Schemas::regularExpression)
                .build();
        JsonSchema schema = factory.getSchema(SchemaLocation.of(type.schema().toString()), config);
        schema.initializeValidators();
        return schema;
    }

    /** JSON Schema's {@code $} is the end of the text; Java's also stands before a last line break. */
    private static RegularExpression regularExpression(String regex) {
        return Pattern.compile(regex.replaceFirst("\\$$", "\\\\z")).asPredicate()::test;
    }

    /** The subschema whose {@code then} or {@code else} holds the keyword at a location; empty if none does. */
    Optional<JsonNode> aroundCondition(SchemaLocation keyword) {
        Matcher condition = CONDITION.matcher(keyword.getFragment().toString());
        return condition.find()
                ? Optional.of(documents.get(keyword.getAbsoluteIri().toString()).at(condition.group(1))) : Optional.empty();
    }

    /** The subschema that holds the keyword at a location. */
    JsonNode around(SchemaLocation keyword) {
        JsonNode document = documents.get(keyword.getAbsoluteIri().toString());
        return document.at(JsonPointer.compile(keyword.getFragment().toString()).head());
    }
}
