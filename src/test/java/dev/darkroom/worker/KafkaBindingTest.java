package dev.darkroom.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.Outcome;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.ReadResult.Undecodable;
import dev.darkroom.contract.ReadResult.Understood;
import dev.darkroom.contract.RequestReader;
import io.cloudevents.CloudEvent;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Events and requests as records. */
class KafkaBindingTest {

    private static final Instant TIME = Instant.parse("2026-01-31T12:00:00.123456789Z");
    private static final Outcome OUTCOME = new Failed("order-4711", FailureReason.INVALID_REQUEST, Optional.of("steps"),
            "steps must be a whole number from 1 to 150, but is 1000.", Map.of());
    private static final CloudEvent EVENT = new Events("/darkroom").of(OUTCOME, TIME);
    private static final String JSON = "{\"requestId\": \"order-4711\", \"prompt\": \"a red apple\"}";
    private static final GenerationRequest REQUEST = Records.read(JSON);

    private final RequestReader reader = new RequestReader();

    @Test
    void theOutcomeIsInTheValueAndTheAttributesAreInTheHeaders() {
        ProducerRecord<String, byte[]> record = KafkaBinding.toRecord("darkroom.completions", "key", EVENT);

        assertThat(record.topic()).isEqualTo("darkroom.completions");
        assertThat(record.key()).isEqualTo("key");
        assertThat(headers(record)).containsExactlyInAnyOrderEntriesOf(Map.of(
                "ce_specversion", "1.0",
                "ce_id", "order-4711.failed",
                "ce_source", "/darkroom",
                "ce_type", "dev.darkroom.image.failed.v1",
                "ce_subject", "order-4711",
                "ce_time", "2026-01-31T12:00:00.123456789Z",
                "ce_dataschema", "https://darkroom.dev/schemas/image.failed.v1.schema.json",
                "content-type", "application/json"));
        assertThat(record.value()).isEqualTo(EVENT.getData().toBytes());
    }

    @Test
    void aRecordWithoutKeyStaysWithoutKey() {
        assertThat(KafkaBinding.toRecord("darkroom.completions", null, EVENT).key()).isNull();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("dev.darkroom.contract.EventsTest#everyKindOfEvent")
    void anEventFromTheStoreMakesTheSameRecordByteByByte(String id, CloudEvent event) {
        CloudEvent stored = Events.fromStructured(Events.toStructured(event));

        ProducerRecord<String, byte[]> first = KafkaBinding.toRecord("topic", "key", event);
        ProducerRecord<String, byte[]> replay = KafkaBinding.toRecord("topic", "key", stored);
        assertThat(replay.value()).asString(UTF_8).isEqualTo(new String(first.value(), UTF_8));
        assertThat(headers(replay)).isEqualTo(headers(first));
    }

    @Test
    void aConsumedRecordTellsItsOutcome() {
        ProducerRecord<String, byte[]> record = KafkaBinding.toRecord("topic", "key", EVENT);

        assertThat(Events.outcome(KafkaBinding.toEvent(record.headers(), record.value()))).isEqualTo(OUTCOME);
    }

    @Test
    void aRequestInBinaryModeIsUnderstood() {
        assertThat(read(request())).isEqualTo(new Understood(REQUEST));
    }

    @ParameterizedTest
    @ValueSource(strings = {"application/cloudevents+json", "application/cloudevents+json; charset=UTF-8",
        "Application/CloudEvents+JSON"})
    void aRequestInStructuredModeIsUnderstood(String contentType) {
        byte[] value = Events.toStructured(new Events("/shop").of(REQUEST, Instant.EPOCH));

        assertThat(KafkaBinding.read(reader, headers("content-type", contentType), value)).isEqualTo(new Understood(REQUEST));
    }

    @ParameterizedTest
    @CsvSource({"content-type, application/cloudevents+avro", "content-type, application/cloudevents-batch+json",
        "ce_id, order-4711", "ce_specversion, 7"})
    void whatLooksLikeACloudEventAndIsNoneIsNotTakenForPlainJson(String key, String value) {
        assertThat(KafkaBinding.read(reader, headers(key, value), JSON.getBytes(UTF_8)))
                .isInstanceOfSatisfying(Undecodable.class, undecodable ->
                        assertThat(undecodable.message()).startsWith("the record is not a CloudEvent: "));
    }

    @ParameterizedTest
    @CsvSource({"traceparent, 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "content-type, text/plain",
        "content-type, application/json", "__TypeId__, com.example.Request"})
    void headersOfOtherToolsDoNotMatterToPlainJson(String key, String value) {
        assertThat(KafkaBinding.read(reader, headers(key, value), JSON.getBytes(UTF_8))).isEqualTo(new Understood(REQUEST));
    }

    @ParameterizedTest
    @ValueSource(strings = {"application/json", "application/json; charset=utf-8", "Application/JSON",
        "application/vnd.example+json"})
    void theDataOfACloudEventMayBeAnyJson(String contentType) {
        ProducerRecord<String, byte[]> record = request();
        record.headers().remove("content-type").add("content-type", contentType.getBytes(UTF_8));

        assertThat(read(record)).isEqualTo(new Understood(REQUEST));
    }

    private static ProducerRecord<String, byte[]> request() {
        return KafkaBinding.toRecord("darkroom.requests", "key", new Events("/shop").of(REQUEST, Instant.EPOCH));
    }

    private ReadResult read(ProducerRecord<String, byte[]> record) {
        return KafkaBinding.read(reader, record.headers(), record.value());
    }

    private static Headers headers(String key, String value) {
        return new RecordHeaders().add(key, value.getBytes(UTF_8));
    }

    private static Map<String, String> headers(ProducerRecord<?, ?> record) {
        return StreamSupport.stream(record.headers().spliterator(), false)
                .collect(Collectors.toMap(Header::key, header -> new String(header.value(), UTF_8)));
    }
}
