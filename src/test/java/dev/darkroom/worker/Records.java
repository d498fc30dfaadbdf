package dev.darkroom.worker;

import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.worker.claim.Claim;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.Claims.Answer;
import dev.darkroom.worker.claim.Claims.Claimed;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.claim.Lane;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** Records, claims and jobs as the consumer would make them. */
public final class Records {

    private static final int PLACES = 100;

    private final Claims claims = claims(PLACES);

    /** Claims that are open, on partitions 0 to 3. */
    public static Claims claims(int places) {
        Claims claims = new Claims(places, new WorkerMetrics(new SimpleMeterRegistry()), new Tracing(OpenTelemetry.noop()));
        claims.assign(IntStream.range(0, 4).mapToObj(Records::partition).toList());
        claims.open();
        return claims;
    }

    public static TopicPartition partition(int number) {
        return new TopicPartition("darkroom.requests", number);
    }

    /** A record of the request {@code request-<partition>-<offset>}. */
    public static ConsumerRecord<byte[], byte[]> record(int partition, long offset) {
        return record(partition, offset, request("request-" + partition + "-" + offset, 1), new RecordHeaders());
    }

    public static ConsumerRecord<byte[], byte[]> record(Headers headers) {
        return record(0, 0, "{}", headers);
    }

    public static ConsumerRecord<byte[], byte[]> record(int partition, long offset, long timestamp) {
        return new ConsumerRecord<>("darkroom.requests", partition, offset, timestamp, TimestampType.CREATE_TIME, 0, 2,
                null, "{}".getBytes(StandardCharsets.UTF_8), new RecordHeaders(), Optional.empty());
    }

    private static ConsumerRecord<byte[], byte[]> record(int partition, long offset, String value, Headers headers) {
        return new ConsumerRecord<>("darkroom.requests", partition, offset,
                ConsumerRecord.NO_TIMESTAMP, TimestampType.NO_TIMESTAMP_TYPE, 0, value.length(), null,
                value.getBytes(StandardCharsets.UTF_8), headers, Optional.empty());
    }

    /** Claims a record, for which there must be a place. */
    public static Claim claim(Claims claims, ConsumerRecord<byte[], byte[]> record) {
        return claim(claims, Lane.ORDINARY, record);
    }

    public static Claim claim(Claims claims, Lane lane, ConsumerRecord<byte[], byte[]> record) {
        try {
            Answer answer = claims.claim(lane, record);
            return ((Claimed) answer).claim();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The claims of all jobs that are made here. */
    public Claims claims() {
        return claims;
    }

    public Job job(long offset, int count) {
        return job(0, offset, count, 0);
    }

    public Job job(int partition, long offset, int count, int attempts) {
        return job(Lane.ORDINARY, partition, offset, count, attempts);
    }

    public Job expressJob(long offset, int count) {
        return job(Lane.EXPRESS, 1, offset, count, 0);
    }

    private Job job(Lane lane, int partition, long offset, int count, int attempts) {
        String value = request("request-" + partition + "-" + offset, count);
        Claim claim = claim(claims, lane, record(partition, offset, value, new RecordHeaders()));
        GenerationRequest request = read(value);
        claim.identify(request.requestId());
        return new Job(claim, request).attempted(attempts);
    }

    public static GenerationRequest read(String json) {
        ReadResult result = new RequestReader().read(json.getBytes(StandardCharsets.UTF_8));
        return ((ReadResult.Understood) result).request();
    }

    private static String request(String id, int count) {
        return "{\"requestId\": \"%s\", \"prompt\": \"a red apple\", \"count\": %d}".formatted(id, count);
    }

    /** The offsets of these jobs. */
    public static List<Long> offsets(List<Job> jobs) {
        return jobs.stream().map(job -> job.claim().offset()).toList();
    }
}
