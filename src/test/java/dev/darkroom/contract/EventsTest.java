package dev.darkroom.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.format.EventDeserializationException;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Events and what they say. */
class EventsTest {

    private static final Instant TIME = Instant.parse("2026-01-31T12:00:00.123456789Z");
    private static final String DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    private static final Events EVENTS = new Events("/darkroom");
    private static final Schemas SCHEMAS = new Schemas();
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private static final Completed COMPLETED = new Completed(
            "order-4711",
            List.of(new Completed.Image("darkroom", "images/7e/order-4711-0.png",
                    "s3://darkroom/images/7e/order-4711-0.png", "098f6bcd", DIGEST, 412_345, 512, 512, Long.MIN_VALUE,
                    Optional.of(new Safety(false, -0.052)),
                    Optional.of(Instant.parse("2026-03-02T12:00:00Z")), Optional.of(new Completed.Link(
                            URI.create("https://s3.example.com/darkroom/images/7e/order-4711-0.png?X-Amz-Expires=3600"),
                            Instant.parse("2026-01-31T13:00:00Z"))))),
            List.of(new Withheld(Long.MIN_VALUE + 1, new Safety(true, 0.017))),
            new Completed.Parameters("schöner 🍎", "", "weighted", "final", 512, 512, 20, "dpmpp-2m",
                    new Completed.Guidance(7.5, 0.4), "tiny", List.of(new Adapter("ink", -0.5)),
                    Optional.of(new InputImage("photos", "rocket.jpg", DIGEST, 0.6, "crop")),
                    Optional.of(new ObjectReference("photos", "mask.png", DIGEST)), Long.MIN_VALUE, 1,
                    new Completed.Output(ImageFormat.PNG), false, OptionalInt.of(154)),
            new Completed.Timings(0, OptionalDouble.of(12.5), 1.841, OptionalDouble.of(4.2), 1e-3, 12345678.901,
                    OptionalDouble.of(21.4), 1e9, 0.1, 3, 20, 1),
            Optional.of(new Completed.Vram(2_040_109_465L, 2_147_483_648L, 2_684_354_560L, 85_899_345_920L)),
            new Completed.Model("sd15", DIGEST, "cuda:0 NVIDIA A100-SXM4-80GB", "PyTorch 2.7.1", true),
            Optional.of(Completed.Provenance.ofPrompt("schöner 🍎", false)),
            Map.of("b", "2", "a", "1"));
    private static final Failed WITHHELD =
            Failed.withheld("order-4711", List.of(new Withheld(42, new Safety(true, 0.017))), Map.of());
    private static final Failed FAILED = new Failed("order-4711", FailureReason.INVALID_REQUEST, Optional.of("steps"),
            "steps must be a whole number from 1 to 150, but is 1000.", Map.of());

    @Test
    void anEventSaysWhatItIsOfWhomAndWhen() throws IOException {
        CloudEvent event = EVENTS.of(COMPLETED, TIME);

        assertThat(event.getType()).isEqualTo("dev.darkroom.image.completed.v1");
        assertThat(event.getSubject()).isEqualTo("order-4711");
        assertThat(event.getTime()).isEqualTo("2026-01-31T12:00:00.123456789Z");
        assertThat(event.getDataSchema())
                .hasToString("https://darkroom.dev/schemas/image.completed.v1.schema.json");
        assertThat(event.getDataContentType()).isEqualTo("application/json");
        assertThat(MAPPER.readTree(event.getData().toBytes()).at("/images/0/seed").longValue()).isEqualTo(Long.MIN_VALUE);
        assertThat(MAPPER.readTree(event.getData().toBytes()).at("/images/0/link/expires").textValue())
                .isEqualTo("2026-01-31T13:00:00Z");
    }

    @Test
    void idsAreDerivedFromTheRequestId() {
        assertThat(EVENTS.of(COMPLETED, TIME).getId()).isEqualTo("order-4711.completed");
        assertThat(EVENTS.of(FAILED, TIME).getId()).isEqualTo("order-4711.failed");
        assertThat(EVENTS.of(Progress.started("order-4711", 20), TIME).getId()).isEqualTo("order-4711.progress.0");
        assertThat(EVENTS.of(Progress.denoising("order-4711", 7, 20), TIME).getId())
                .isEqualTo("order-4711.progress.7");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("everyKindOfEvent")
    void everyEventKeepsItsSchema(String id, CloudEvent event) throws IOException {
        assertThat(SCHEMAS.of(type(event)).validate(MAPPER.readTree(event.getData().toBytes()))).isEmpty();
    }

    @Test
    void aStoredEventIsReadableJson() throws IOException {
        JsonNode stored = MAPPER.readTree(Events.toStructured(EVENTS.of(COMPLETED, TIME)));

        assertThat(stored.get("id").textValue()).isEqualTo("order-4711.completed");
        assertThat(stored.at("/data/parameters/prompt").textValue()).isEqualTo("schöner 🍎");
    }

    @Test
    void anEventTellsItsOutcome() {
        for (Outcome outcome : List.of(COMPLETED, FAILED, WITHHELD)) {
            assertThat(Events.outcome(EVENTS.of(outcome, TIME))).isEqualTo(outcome);
        }
    }

    @Test
    void anEventTellsItsProgress() {
        Progress progress = Progress.denoising("order-4711", 7, 20);

        assertThat(Events.progress(EVENTS.of(progress, TIME))).isEqualTo(progress);
    }

    @Test
    void fieldsOfALaterVersionAreIgnored() {
        CloudEvent later = CloudEventBuilder.from(EVENTS.of(FAILED, TIME)).withData("""
                {"requestId": "r", "reason": "EXPIRED", "message": "m", "retryable": false, "novelty": [1]}"""
                .getBytes(StandardCharsets.UTF_8)).build();

        assertThat(Events.outcome(later)).isEqualTo(
                new Failed("r", FailureReason.EXPIRED, Optional.empty(), "m", Map.of()));
    }

    @Test
    void whatIsNoOutcomeIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Events.outcome(EVENTS.of(Progress.started("r", 1), TIME)))
                .withMessageContaining("dev.darkroom.image.progress.v1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Events.outcome(CloudEventBuilder.from(EVENTS.of(FAILED, TIME))
                        .withData("{".getBytes(StandardCharsets.UTF_8)).build()))
                .withMessageContaining("order-4711.failed");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Events.outcome(CloudEventBuilder.from(EVENTS.of(FAILED, TIME)).withoutData().build()))
                .withMessageContaining("no data");
        assertThatThrownBy(() -> Events.fromStructured("{}".getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(EventDeserializationException.class);
    }

    @ParameterizedTest
    @EnumSource
    void aFailureIsAsRetryableAsItsReason(FailureReason reason) {
        assertThat(new Failed("r", reason, Optional.empty(), "m", Map.of()).retryable()).isEqualTo(reason.retryable());
    }

    @Test
    void millisecondsKeepTheMicrosecondsAndAreNeverNegative() {
        assertThat(Completed.Timings.milliseconds(Duration.ofNanos(1_234_567))).isEqualTo(1.234);
        assertThat(Completed.Timings.milliseconds(Duration.ofMinutes(10))).isEqualTo(600_000);
        assertThat(Completed.Timings.milliseconds(Duration.ofMillis(-5))).isZero();
    }

    @Test
    void theSourceMustBeAUriReference() {
        assertThat(new Events("https://example.com/darkroom").of(FAILED, TIME).getSource())
                .isEqualTo(URI.create("https://example.com/darkroom"));
        assertThatIllegalArgumentException().isThrownBy(() -> new Events("not a uri"));
    }

    static Stream<Arguments> everyKindOfEvent() {
        Completed onCpu = new Completed("on-cpu", COMPLETED.images(), List.of(), COMPLETED.parameters(),
                COMPLETED.timings(), Optional.empty(), COMPLETED.model(), Optional.empty(), Map.of());
        return Stream.concat(
                Stream.of(EVENTS.of(COMPLETED, TIME), EVENTS.of(onCpu, TIME), EVENTS.of(WITHHELD, TIME),
                        EVENTS.of(Progress.started("r", 20), TIME), EVENTS.of(Progress.denoising("r", 20, 20), TIME)),
                Stream.of(FailureReason.values()).map(reason -> EVENTS.of(
                        new Failed(reason.name(), reason, Optional.empty(), "m", Map.of("k", "v")), TIME)))
                .map(event -> arguments(event.getId(), event));
    }

    private static EventType type(CloudEvent event) {
        return Stream.of(EventType.values()).filter(type -> type.type().equals(event.getType())).findFirst()
                .orElseThrow();
    }
}
