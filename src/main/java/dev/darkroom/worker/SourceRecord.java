package dev.darkroom.worker;

import io.opentelemetry.api.trace.Span;
import io.smallrye.reactive.messaging.kafka.IncomingKafkaRecord;
import java.time.Instant;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;

/**
 * A record of the request topic on its way through the worker. Its offset is committed once it is acknowledged; one that
 * is abandoned never is, so that Kafka delivers it again.
 */
final class SourceRecord {

    private final IncomingKafkaRecord<byte[], byte[]> record;
    private final TopicPartition partition;
    private final Span span;
    private final Instant received = Instant.now();

    SourceRecord(IncomingKafkaRecord<byte[], byte[]> record, Span span) {
        this.record = record;
        this.span = span;
        this.partition = new TopicPartition(record.getTopic(), record.getPartition());
    }

    TopicPartition partition() {
        return partition;
    }

    long offset() {
        return record.getOffset();
    }

    byte[] key() {
        return record.getKey();
    }

    byte[] value() {
        return record.getPayload();
    }

    Headers headers() {
        return record.getHeaders();
    }

    /** The request's span in its trace. */
    Span span() {
        return span;
    }

    /** When the record was produced; when it was received, where its timestamp lies in the future or is missing. */
    Instant produced() {
        Instant timestamp = record.getTimestamp();
        return timestamp == null || timestamp.isAfter(received) || timestamp.toEpochMilli() <= 0 ? received : timestamp;
    }

    /** Lets the offset be committed. */
    void acknowledge() {
        record.ack();
    }

    @Override
    public String toString() {
        return "topic=" + partition.topic() + " partition=" + partition.partition() + " offset=" + offset();
    }
}
