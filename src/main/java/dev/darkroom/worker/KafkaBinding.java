package dev.darkroom.worker;

import dev.darkroom.contract.EventReader;
import dev.darkroom.contract.Events;
import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.KafkaMessageFactory;
import io.cloudevents.rw.CloudEventRWException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** Events and requests as Kafka records: CloudEvents' Kafka protocol binding, and beside it plain JSON. */
public final class KafkaBinding {

    private static final String CONTENT_TYPE = "content-type";

    private KafkaBinding() {
    }

    /**
     * The record that carries an event in binary mode: attributes as {@code ce_*} headers, the media type as
     * {@code content-type}, the data as value.
     *
     * @param key the key of the request's record; null if it had none
     */
    public static <K> ProducerRecord<K, byte[]> toRecord(String topic, K key, CloudEvent event) {
        return KafkaMessageFactory.createWriter(topic, key).writeBinary(event);
    }

    /**
     * The event that a record carries, in binary or structured mode.
     *
     * @throws CloudEventRWException if it carries none
     */
    public static CloudEvent toEvent(Headers headers, byte[] value) {
        return KafkaMessageFactory.createReader(headers, value).toEvent();
    }

    /** The same of a whole record; empty if it carries none. */
    public static Optional<CloudEvent> event(ConsumerRecord<?, byte[]> record) {
        try {
            return Optional.of(toEvent(record.headers(), record.value()));
        } catch (CloudEventRWException e) {
            return Optional.empty();
        }
    }

    /**
     * Reads what a record carries: as a CloudEvent, or as plain JSON where no header begins with {@code ce_}.
     *
     * @param value null for a tombstone
     */
    public static <R> R read(EventReader<R> reader, Headers headers, byte[] value) {
        if (contentType(headers).startsWith(Events.STRUCTURED_CONTENT_TYPE)) {
            return reader.readStructured(value);
        }
        boolean event = contentType(headers).startsWith("application/cloudevents")
                || StreamSupport.stream(headers.spliterator(), false).anyMatch(header -> header.key().startsWith("ce_"));
        return event ? reader.read(value, () -> toEvent(headers, value)) : reader.read(value);
    }

    private static String contentType(Headers headers) {
        Header header = headers.lastHeader(CONTENT_TYPE);
        return header == null || header.value() == null
                ? "" : new String(header.value(), StandardCharsets.UTF_8).toLowerCase(Locale.ROOT);
    }
}
