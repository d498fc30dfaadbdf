package dev.darkroom.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import dev.darkroom.worker.KafkaBinding;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.apache.kafka.common.header.Header;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The AsyncAPI document is whole and says what the code does. */
class AsyncApiTest {

    private static final Path FOLDER = Path.of("schemas");
    private static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());
    private static final JsonNode DOCUMENT = read(FOLDER.resolve("asyncapi.yaml"));

    @Test
    void itIsAnAsyncApi3DocumentOfAllTopics() {
        assertThat(DOCUMENT.get("asyncapi").textValue()).isEqualTo("3.0.0");
        assertThat(DOCUMENT.get("channels")).extracting(channel -> channel.get("address").textValue())
                .containsExactlyInAnyOrder("darkroom.requests", "darkroom.completions", "darkroom.progress",
                        "darkroom.requests-dlq", "darkroom.cancellations", "darkroom.requests.express");
    }

    @Test
    void everyReferenceResolves() {
        List<JsonNode> references = DOCUMENT.findValues("$ref");
        assertThat(references).hasSizeGreaterThan(30).allSatisfy(reference -> {
            String[] parts = reference.textValue().split("#", 2);
            JsonNode target = parts[0].isEmpty() ? DOCUMENT : read(FOLDER.resolve(parts[0]));
            assertThat(target.at(parts.length == 1 ? JsonPointer.empty() : JsonPointer.compile(parts[1])).isMissingNode())
                    .as(reference.textValue()).isFalse();
        });
    }

    @Test
    void everyOperationUsesMessagesOfItsOwnChannel() {
        assertThat(DOCUMENT.get("operations")).hasSize(6).allSatisfy(operation -> {
            assertThat(operation.get("action").textValue()).isIn("send", "receive");
            String channel = operation.at("/channel/$ref").textValue();
            assertThat(operation.get("messages")).isNotEmpty()
                    .allSatisfy(message -> assertThat(message.get("$ref").textValue()).startsWith(channel + "/messages/"));
        });
    }

    @ParameterizedTest
    @EnumSource
    void everyEventIsAMessageWithItsSchema(EventType type) {
        JsonNode message = DOCUMENT.at("/components/messages/" + type.label());
        assertThat(message.get("name").textValue()).isEqualTo(type.type());
        assertThat(message.at("/payload/$ref").textValue()).isEqualTo(type.schemaFile());
        assertThat(message.path("examples"))
                .allSatisfy(example -> assertThat(new Schemas().of(type).validate(example.get("payload"))).isEmpty());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("events")
    void theHeadersOfARecordAreThoseOfItsMessage(String message, CloudEvent event) {
        ObjectNode headers = YAML.createObjectNode();
        for (Header header : KafkaBinding.toRecord("topic", "key", event).headers()) {
            headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
        }
        JsonSchema schema = headerSchema(message);
        assertThat(schema.validate(headers)).isEmpty();
        headers.put("ce_type", "dev.darkroom.image.requested.v2");
        assertThat(schema.validate(headers)).isNotEmpty();
    }

    static Stream<Arguments> events() {
        Events events = new Events("/darkroom");
        GenerationRequest request = new GenerationRequest("r", "p", "", "plain", "final", Overrides.NONE,
                OptionalLong.empty(), 1, ImageFormat.PNG, Optional.empty(), Map.of());
        Completed completed = (Completed) Events.outcome(
                CloudEventBuilder.v1().withId("1").withSource(URI.create("/"))
                        .withType(EventType.COMPLETED.type())
                        .withData(read(FOLDER.resolve("examples/valid/completed-cpu.json")).toString()
                                .getBytes(StandardCharsets.UTF_8)).build());
        return Stream.of(
                arguments("requested", events.of(request, Instant.EPOCH)),
                arguments("completed", events.of(completed, Instant.EPOCH)),
                arguments("cancelled", events.of(new Cancellation("r"), Instant.EPOCH)),
                arguments("failed", events.of(
                        new Failed("r", FailureReason.EXPIRED, Optional.empty(), "m", Map.of()), Instant.EPOCH)),
                arguments("progress", events.of(Progress.denoising("r", 150, 150), Instant.EPOCH)));
    }

    private static JsonSchema headerSchema(String message) {
        ObjectNode schema = YAML.createObjectNode();
        schema.put("$ref", "#/components/messages/" + message + "/headers");
        schema.set("components", DOCUMENT.get("components"));
        return JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012).getSchema(schema);
    }

    private static JsonNode read(Path file) {
        try {
            return YAML.readTree(file.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
