package dev.darkroom.worker;

import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import io.opentelemetry.api.trace.Span;
import io.smallrye.mutiny.Uni;
import io.smallrye.reactive.messaging.kafka.IncomingKafkaRecord;
import io.smallrye.reactive.messaging.kafka.commit.KafkaCommitHandler;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** Records and jobs as the consumer would make them, and which of them were acknowledged. */
final class Records {

    private final List<Long> acknowledged = new CopyOnWriteArrayList<>();

    SourceRecord record(int partition, long offset) {
        return record(partition, offset, request("request-" + partition + "-" + offset, 1));
    }

    /** A record with headers, in a trace. */
    SourceRecord record(Headers headers, Span span) {
        return record(0, 0, "{}", headers, span);
    }

    private SourceRecord record(int partition, long offset, String value) {
        return record(partition, offset, value, new RecordHeaders(), Span.getInvalid());
    }

    private SourceRecord record(int partition, long offset, String value, Headers headers, Span span) {
        ConsumerRecord<byte[], byte[]> record = new ConsumerRecord<>("darkroom.requests", partition, offset,
                ConsumerRecord.NO_TIMESTAMP, TimestampType.NO_TIMESTAMP_TYPE, 0, value.length(), null,
                value.getBytes(StandardCharsets.UTF_8), headers, Optional.empty());
        return new SourceRecord(new IncomingKafkaRecord<>(record, "requests", 0, new KafkaCommitHandler() {
            @Override
            public <K, V> Uni<Void> handle(IncomingKafkaRecord<K, V> done) {
                acknowledged.add(done.getOffset());
                return Uni.createFrom().voidItem();
            }
        }, null, false), span);
    }

    Job job(long offset, int count) {
        return job(0, offset, count, false);
    }

    Job job(int partition, long offset, int count, boolean suspect) {
        String value = request("request-" + partition + "-" + offset, count);
        return new Job(record(partition, offset, value), read(value), suspect);
    }

    static GenerationRequest read(String json) {
        ReadResult result = new RequestReader().read(json.getBytes(StandardCharsets.UTF_8), new RecordHeaders());
        return ((ReadResult.Understood) result).request();
    }

    private static String request(String id, int count) {
        return "{\"requestId\": \"%s\", \"prompt\": \"a red apple\", \"count\": %d}".formatted(id, count);
    }

    List<Long> acknowledged() {
        return acknowledged;
    }
}
