package dev.darkroom.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.ReadResult.Refused;
import dev.darkroom.contract.ReadResult.Undecodable;
import dev.darkroom.contract.ReadResult.Understood;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.SchedulerName;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The examples that users read are what the schemas say, and the reader agrees with the schemas. */
class ExamplesTest {

    private static final Path VALID = Path.of("schemas/examples/valid");
    private static final Path INVALID = Path.of("schemas/examples/invalid");
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Schemas SCHEMAS = new Schemas();
    private static final Events EVENTS = new Events("/darkroom");
    private static final RequestReader READER = new RequestReader();
    private static final CancellationReader CANCELLATIONS = new CancellationReader();
    /** What the worker reads, and does not send. */
    private static final Set<EventType> RECEIVED = Set.of(EventType.REQUESTED, EventType.CANCELLED);

    @ParameterizedTest
    @MethodSource("valid")
    void aValidExampleKeepsItsSchema(Path example) throws IOException {
        assertThat(SCHEMAS.of(type(example)).validate(MAPPER.readTree(example.toFile()))).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("validRequests")
    void theReaderUnderstandsAValidRequestAndWhatIsWrittenOfIt(Path example) throws IOException {
        ReadResult result = READER.read(Files.readAllBytes(example));
        assertThat(result).isInstanceOfSatisfying(Understood.class, understood -> {
            byte[] again = EVENTS.of(understood.request(), Instant.EPOCH).getData().toBytes();
            assertThat(READER.read(again)).isEqualTo(understood);
        });
    }

    @ParameterizedTest
    @MethodSource("validCancellations")
    void aCancellationIsUnderstoodAndWhatIsWrittenOfIt(Path example) throws IOException {
        CancellationReader.Read result = CANCELLATIONS.read(Files.readAllBytes(example));
        assertThat(result).isInstanceOfSatisfying(CancellationReader.Understood.class, understood -> {
            CloudEvent event = EVENTS.of(understood.cancellation(), Instant.EPOCH);
            assertThat(CANCELLATIONS.read(event.getData().toBytes(), () -> event)).isEqualTo(understood);
            assertThat(CANCELLATIONS.readStructured(Events.toStructured(event))).isEqualTo(understood);
        });
    }

    @ParameterizedTest
    @MethodSource("invalidCancellations")
    void anInvalidCancellationIsNotUnderstoodAndTheFieldIsNamed(Path example, String field, String keyword)
            throws IOException {
        assertThat(CANCELLATIONS.read(Files.readAllBytes(example))).isInstanceOfSatisfying(
                CancellationReader.Undecodable.class, undecodable -> assertThat(undecodable.message()).startsWith(field));
    }

    @Test
    void anEventOfAnotherTypeIsNoCancellation() {
        CloudEvent progress = EVENTS.of(Progress.started("order-4711", 1), Instant.EPOCH);
        assertThat(CANCELLATIONS.read(progress.getData().toBytes(), () -> progress)).isInstanceOfSatisfying(
                CancellationReader.Undecodable.class, undecodable -> assertThat(undecodable.message())
                        .contains("type must be dev.darkroom.image.cancelled.v1", "dev.darkroom.image.progress.v1"));
    }

    @ParameterizedTest
    @MethodSource("validOutcomesAndProgress")
    void theRecordsHoldAllOfAnEvent(Path example) throws IOException {
        CloudEvent event = CloudEventBuilder.v1().withId("1").withSource(URI.create("/"))
                .withType(type(example).type()).withData(Files.readAllBytes(example)).build();
        CloudEvent again = type(example) == EventType.PROGRESS
                ? EVENTS.of(Events.progress(event), Instant.EPOCH)
                : EVENTS.of(Events.outcome(event), Instant.EPOCH);
        assertThat(MAPPER.readTree(again.getData().toBytes())).isEqualTo(MAPPER.readTree(example.toFile()));
    }

    @ParameterizedTest
    @MethodSource("invalid")
    void anInvalidExampleBreaksItsSchemaWhereTheIndexSays(Path example, String field, String keyword)
            throws IOException {
        assertThat(SCHEMAS.of(type(example)).validate(MAPPER.readTree(example.toFile())))
                .anySatisfy(message -> {
                    assertThat(message.getType()).isEqualTo(keyword);
                    assertThat(Violation.of(message, SCHEMAS).field()).isEqualTo(field);
                })
                .allSatisfy(message -> assertThat(Violation.of(message, SCHEMAS).field()).isEqualTo(field));
    }

    @ParameterizedTest
    @MethodSource("invalidRequests")
    void theReaderRefusesAnInvalidRequestAndNamesTheField(Path example, String field, String keyword)
            throws IOException {
        ReadResult result = READER.read(Files.readAllBytes(example));
        if (field.equals("requestId")) {
            assertThat(result).isInstanceOfSatisfying(Undecodable.class,
                    undecodable -> assertThat(undecodable.message()).contains("requestId"));
        } else {
            assertThat(result).isInstanceOfSatisfying(Refused.class, refused -> {
                assertThat(refused.requestId()).isEqualTo("order-4711");
                assertThat(refused.field()).isEqualTo(field);
                assertThat(refused.message()).startsWith(field + " ");
            });
        }
    }

    @Test
    void everyInvalidExampleIsInTheIndex() throws IOException {
        assertThat(index().map(Arguments::get).map(arguments -> ((Path) arguments[0]).getFileName().toString()))
                .containsExactlyInAnyOrderElementsOf(files(INVALID).map(file -> file.getFileName().toString())
                        .filter(name -> !name.equals("index.json")).toList());
    }

    @ParameterizedTest
    @EnumSource
    void theExamplesInsideASchemaKeepIt(EventType type) throws IOException {
        JsonNode schema = MAPPER.readTree(Path.of("schemas", type.schemaFile()).toFile());
        assertThat(schema.get("$id").textValue()).isEqualTo(type.schema().toString());
        assertThat(schema.path("examples"))
                .allSatisfy(example -> assertThat(SCHEMAS.of(type).validate(example)).isEmpty());
    }

    @Test
    void everyFieldIsDescribedAndShownByAnExample() throws IOException {
        for (Path file : files(Path.of("schemas")).filter(Files::isRegularFile)
                .filter(path -> path.toString().endsWith(".schema.json")).toList()) {
            assertDescribed(file.getFileName() + "#", MAPPER.readTree(file.toFile()));
        }
    }

    private static void assertDescribed(String place, JsonNode schema) {
        schema.path("properties").properties().forEach(property -> {
            JsonNode field = property.getValue();
            String name = place + "/" + property.getKey();
            if (field.isObject() && !field.has("$ref")) {
                assertThat(field.path("description").asText()).as(name + " has a description").isNotBlank();
                if (!List.of("array", "object").contains(field.path("type").asText())) {
                    assertThat(field.path("examples")).as(name + " has examples").isNotEmpty();
                }
            }
            assertDescribed(name, field);
        });
        schema.path("$defs").properties().forEach(definition ->
                assertDescribed(place + "/$defs/" + definition.getKey(), definition.getValue()));
    }

    @Test
    void theSchemasListTheNamesThatTheCodeKnows() throws IOException {
        JsonNode failed = MAPPER.readTree(Path.of("schemas/image.failed.v1.schema.json").toFile());
        assertThat(failed.at("/properties/reason/enum")).extracting(JsonNode::textValue)
                .containsExactly(Arrays.stream(FailureReason.values()).map(Enum::name).toArray(String[]::new));
        JsonNode common = MAPPER.readTree(Path.of("schemas/common.v1.schema.json").toFile());
        assertThat(common.at("/$defs/output/properties/format/enum")).extracting(JsonNode::textValue)
                .containsExactly(Arrays.stream(ImageFormat.values()).map(ImageFormat::label).toArray(String[]::new));
        assertThat(common.at("/$defs/profile/enum")).extracting(JsonNode::textValue)
                .containsExactly(Profile.all().stream().map(Profile::label).toArray(String[]::new));
        assertThat(common.at("/$defs/scheduler/enum")).extracting(JsonNode::textValue)
                .containsExactly(Arrays.stream(SchedulerName.values()).map(SchedulerName::label).toArray(String[]::new));
        assertThat(common.at("/$defs/decoder/enum")).extracting(JsonNode::textValue)
                .containsExactly(Arrays.stream(DecoderName.values()).map(DecoderName::label).toArray(String[]::new));
        assertThat(common.at("/$defs/profile/default").textValue()).isEqualTo(GenerationRequest.DEFAULT_PROFILE);
    }

    static Stream<Path> valid() throws IOException {
        return files(VALID);
    }

    static Stream<Path> validRequests() throws IOException {
        return valid().filter(example -> type(example) == EventType.REQUESTED);
    }

    static Stream<Path> validOutcomesAndProgress() throws IOException {
        return valid().filter(example -> !RECEIVED.contains(type(example)));
    }

    static Stream<Path> validCancellations() throws IOException {
        return valid().filter(example -> type(example) == EventType.CANCELLED);
    }

    static Stream<Arguments> invalidCancellations() throws IOException {
        return index().filter(arguments -> type((Path) arguments.get()[0]) == EventType.CANCELLED);
    }

    static Stream<Arguments> invalidRequests() throws IOException {
        return index().filter(arguments -> type((Path) arguments.get()[0]) == EventType.REQUESTED);
    }

    static Stream<Arguments> invalid() throws IOException {
        return index();
    }

    private static Stream<Arguments> index() throws IOException {
        return StreamSupport.stream(MAPPER.readTree(INVALID.resolve("index.json").toFile()).spliterator(), false)
                .map(entry -> arguments(INVALID.resolve(entry.get("file").textValue()),
                        entry.get("field").textValue(), entry.get("keyword").textValue()));
    }

    private static Stream<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList().stream();
        }
    }

    private static EventType type(Path example) {
        return EventType.valueOf(example.getFileName().toString().split("-")[0].toUpperCase(Locale.ROOT));
    }
}
