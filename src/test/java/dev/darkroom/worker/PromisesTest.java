package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.generate.Backlog;
import dev.darkroom.worker.outcome.IdempotencyStore;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.StoreSettings;
import io.minio.MinioClient;
import io.minio.RemoveObjectArgs;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What is promised of every record, where it is hardest to keep. */
@QuarkusTest
@WithTestResource(WorkerResource.class)
@Timeout(180)
class PromisesTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    /** More than the worker's producer sends in one record; the broker takes it compressed. */
    private static final byte[] TOO_LARGE = "h".repeat(1_100_000).getBytes(StandardCharsets.UTF_8);
    /** With this key a request is just small enough for the broker, and its outcome is not. */
    private static final byte[] LARGE_KEY = "k".repeat(1_047_300).getBytes(StandardCharsets.UTF_8);

    Topics topics;
    Stack stack;

    @Inject
    FaultInjection faults;

    @Inject
    IdempotencyStore idempotency;

    @Inject
    Claims claims;

    @Inject
    Backlog backlog;

    @TestHTTPResource("/")
    URI http;

    @Test
    void recordsThatCannotBeSentOnAsTheyAreStopNothing() {
        String run = UUID.randomUUID().toString();
        warmUp();
        for (int i = 0; i < 20; i++) {
            var header = new ProducerRecord<>(Topics.REQUESTS, bytes(run), bytes("no request, header " + i));
            header.headers().add("large", TOO_LARGE);
            sendCompressed(header);
            if (i % 2 == 0) {
                sendCompressed(new ProducerRecord<>(Topics.REQUESTS, TOO_LARGE, bytes("no request, key " + i)));
            } else {
                topics.send(new ProducerRecord<>(Topics.REQUESTS, LARGE_KEY, bytes(request(run + "-key-" + i, "a lime"))));
            }
        }
        List<String> good = IntStream.range(0, 5).mapToObj(i -> run + "-good-" + i).toList();
        Instant start = Instant.now();
        good.forEach(id -> topics.send(request(id, "a lime")));

        await().atMost(Duration.ofSeconds(10)).until(() ->
                good.stream().noneMatch(id -> topics.received(Topics.COMPLETIONS, id).isEmpty()));
        assertThat(Duration.between(start, Instant.now())).isLessThan(Duration.ofSeconds(10));
        await().atMost(Duration.ofSeconds(30)).until(() -> topics.committed() == topics.sent());

        List<ConsumerRecord<byte[], byte[]>> letters = topics.received(Topics.DEAD_LETTERS,
                dead -> header(dead, "dead-letter-without") != null);
        assertThat(letters).filteredOn(dead -> header(dead, "dead-letter-without").equals("value, headers"))
                .hasSize(20).allSatisfy(dead -> {
                    assertThat(dead.key()).asString().isEqualTo(run);
                    assertThat(dead.value()).isNull();
                    assertThat(header(dead, "dead-letter-reason")).contains("not JSON");
                });
        assertThat(letters).filteredOn(dead -> header(dead, "dead-letter-without").equals("value, headers, key"))
                .hasSize(10).allSatisfy(dead -> assertThat(dead.key()).asString().isEqualTo(
                        Topics.REQUESTS + "-" + header(dead, "dead-letter-partition") + "-"
                                + header(dead, "dead-letter-offset")));
        assertThat(topics.outcome(run + "-key-1").key()).asString().isEqualTo(run + "-key-1");
    }

    @Test
    void anOutcomeThatACompactedTopicDoesNotTakeGoesOutUnderTheRequestId() throws Exception {
        String id = id();
        setOfOutcomes("cleanup.policy", "compact");
        try {
            topics.send(new ProducerRecord<>(Topics.REQUESTS, null, bytes(request(id, "a lime"))));
            assertThat(topics.outcome(id).key()).asString().isEqualTo(id);
        } finally {
            setOfOutcomes("cleanup.policy", "delete");
        }
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == topics.sent());
    }

    @Test
    void whatWasProducedInATransactionThatWasGivenUpIsNotGenerated() {
        String given = id();
        String kept = id();
        try (var producer = new KafkaProducer<>(Map.<String, Object>of("bootstrap.servers", stack.bootstrapServers(),
                "transactional.id", id()), new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(Topics.REQUESTS, 0, bytes("k"), bytes(request(given, "an aborted lime"))));
            producer.flush();
            producer.abortTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(Topics.REQUESTS, 0, bytes("k"), bytes(request(kept, "a lime"))));
            producer.commitTransaction();
        }
        topics.outcome(kept);
        assertThat(topics.received(Topics.COMPLETIONS, given)).isEmpty();
        assertThat(faults.attempts("an aborted lime")).isZero();
    }

    @Test
    void theOutcomeThatStaysIsTheOneThatIsReported() throws Exception {
        String id = id();
        String json = request(id, FaultInjection.SILENCE);
        long before = faults.attempts(FaultInjection.SILENCE);
        topics.send(json);
        await().atMost(Duration.ofSeconds(30)).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        double expired = metric("darkroom_requests_total{lane=\"ordinary\",outcome=\"failed\",reason=\"EXPIRED\"}");
        // Another worker was quicker, and came to another end
        GenerationRequest request = Records.read(json);
        idempotency.conclude(new Job(null, request), new Events("/darkroom").of(new Failed(id, FailureReason.EXPIRED,
                Optional.of("deadline"), "Too late.", Map.of()), Instant.now()));
        faults.breakSilence();

        assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".failed");
        await().atMost(Duration.ofSeconds(10)).until(() ->
                metric("darkroom_requests_total{lane=\"ordinary\",outcome=\"failed\",reason=\"EXPIRED\"}") == expired + 1);
    }

    @Test
    void theImageOfOneRequestIsNeverTakenForThatOfAnotherWithItsId() {
        String id = id();
        String json = request(id, "a lime");
        String other = request(id, "a lemon");
        topics.send(json);
        JsonNode image = json(topics.outcome(id)).at("/images/0");
        topics.send(other);
        topics.outcomes(id, 2);

        assertThat(image.get("key").asText()).contains(Records.read(json).digest())
                .doesNotContain(Records.read(other).digest());
    }

    @Test
    void anObjectWhereImagesUsedToLieIsNotTakenForTheImage() {
        String id = id();
        String json = request(id, "a lime");
        String prefix = ObjectKeys.outcome(Records.read(json).identity()).split("/")[1];
        try (MinioImageStore store = store()) {
            byte[] others = bytes("the image of another request with this id");
            store.putIfAbsent("images/" + prefix + "/" + id + "-0.png", others, "image/png", Map.of());
            topics.send(json);

            JsonNode image = json(topics.outcome(id)).at("/images/0");
            assertThat(store.get(image.get("key").asText())).hasValueSatisfying(file ->
                    assertThat(new String(file, StandardCharsets.ISO_8859_1)).contains("PNG", "a lime"));
        }
    }

    @Test
    void imagesWhoseWorkerDidNotLiveToTellOfThemAreNotGeneratedAgain() throws Exception {
        String id = id();
        String prompt = "a quince " + id;
        String json = "{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 2, \"count\": 2}".formatted(id, prompt);
        topics.send(json);
        JsonNode told = json(topics.outcome(id));
        String outcome = ObjectKeys.outcome(Records.read(json).identity());
        remove(outcome);
        topics.send(json);

        JsonNode again = json(topics.outcomes(id, 2).get(1));
        assertThat(faults.attempts(prompt)).isEqualTo(2);
        for (String same : List.of("images", "parameters", "model")) {
            assertThat(again.get(same)).isEqualTo(told.get(same));
        }
        for (String same : List.of("queueWait", "textEncoding", "denoising", "decoding", "steps", "batchSize")) {
            assertThat(again.at("/timings/" + same)).isEqualTo(told.at("/timings/" + same));
        }

        // Unless one of them is missing
        remove(outcome);
        remove(told.at("/images/1/key").asText());
        topics.send(json);
        assertThat(json(topics.outcomes(id, 3).get(2)).get("images")).isEqualTo(told.get("images"));
        assertThat(faults.attempts(prompt)).isEqualTo(4);
    }

    @Test
    void whileNothingCanBePublishedImagesAndOutcomesReachTheStore() throws Exception {
        warmUp();
        // More than are stored at once
        List<String> requests = IntStream.range(0, 12).mapToObj(i -> request(id(), "a lime")).toList();
        setOfOutcomes("min.insync.replicas", "2");
        try (MinioImageStore store = store()) {
            requests.forEach(topics::send);
            await().atMost(Duration.ofSeconds(30)).until(() -> requests.stream().allMatch(json ->
                    store.find(ObjectKeys.outcome(Records.read(json).identity())).isPresent()));
        } finally {
            setOfOutcomes("min.insync.replicas", "1");
        }
        requests.forEach(json -> topics.outcome(Records.read(json).requestId()));
    }

    @Test
    void whatAnotherWorkerHasDoneIsNotWaitedForSoonAfterPartitionsHaveMoved() throws Exception {
        long before = faults.attempts(FaultInjection.SILENCE);
        String blocker = id();
        topics.send(request(blocker, FaultInjection.SILENCE));
        await().atMost(Duration.ofSeconds(30)).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        String id = id();
        String prompt = "a medlar " + id;
        String json = request(id, prompt);
        try {
            topics.send(json);
            await().atMost(Duration.ofSeconds(20)).until(() -> backlog.waiting().size() == 1);
            idempotency.conclude(new Job(null, Records.read(json)), new Events("/darkroom").of(new Failed(id,
                    FailureReason.EXPIRED, Optional.of("deadline"), "Too late.", Map.of()), Instant.now()));
            claims.assign(List.of());

            // While the generator still has its first batch
            assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".failed");
            assertThat(topics.received(Topics.COMPLETIONS, blocker)).isEmpty();
        } finally {
            faults.breakSilence();
        }
        topics.outcome(blocker);
        assertThat(faults.attempts(prompt)).isZero();
    }

    @Test
    void whatAnotherWorkerHasByNowIsGivenUpInTheMiddle() throws Exception {
        String id = id();
        long before = faults.attempts(FaultInjection.SILENCE);
        topics.send(request(id, FaultInjection.SILENCE));
        await().atMost(Duration.ofSeconds(30)).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        // As when the worker comes back after its session with Kafka was over
        List<TopicPartition> all = IntStream.range(0, 4).mapToObj(Records::partition).toList();
        assertThat(claims.revoke(all, Duration.ZERO)).isNotNull();
        claims.assign(all);
        faults.breakSilence();
        warmUp();

        assertThat(topics.received(Topics.COMPLETIONS, id)).isEmpty();
        assertThat(claims.count()).isZero();
    }

    @Test
    void aRefusalFollowsFromItsRecord() {
        String id = id();
        String json = "{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 0}".formatted(id);
        long timestamp = Instant.parse("2026-01-02T03:04:05.678Z").toEpochMilli();
        topics.send(new ProducerRecord<>(Topics.REQUESTS, 0, timestamp, bytes("k"), bytes(json)));
        topics.send(new ProducerRecord<>(Topics.REQUESTS, 0, timestamp, bytes("k"), bytes(json)));

        List<ConsumerRecord<byte[], byte[]>> refusals = topics.outcomes(id, 2);
        assertThat(refusals).allSatisfy(refusal -> {
            assertThat(header(refusal, "ce_time")).isEqualTo("2026-01-02T03:04:05.678Z");
            assertThat(header(refusal, "ce_id")).matches(id + "\\.failed\\.0-\\d+");
        });
        assertThat(refusals).extracting(refusal -> header(refusal, "ce_id")).doesNotHaveDuplicates();
    }

    @Test
    void aTimestampOfLongAgoIsNoQueueWait() throws Exception {
        String id = id();
        topics.send(new ProducerRecord<>(Topics.REQUESTS, 0, 1L, bytes("k"), bytes(request(id, "a lime"))));

        assertThat(json(topics.outcome(id)).at("/timings/queueWait").asDouble()).isLessThan(60_000);
        assertThat(metric("darkroom_stage_seconds_sum{stage=\"queue_wait\"}")).isLessThan(100_000);
    }

    private MinioImageStore store() {
        return new MinioImageStore(new StoreSettings(stack.storeEndpoint(), "us-east-1", "darkroom", stack.accessKey(),
                stack.secretKey(), true, false, Duration.ofSeconds(5), Duration.ofSeconds(5)));
    }

    private void remove(String key) throws Exception {
        try (MinioClient client = MinioClient.builder().endpoint(stack.storeEndpoint().toString())
                .credentials(stack.accessKey(), stack.secretKey()).build()) {
            client.removeObject(RemoveObjectArgs.builder().bucket("darkroom").object(key).build());
        }
    }

    private void warmUp() {
        String id = id();
        topics.send(request(id, "a lime"));
        topics.outcome(id);
    }

    private void sendCompressed(ProducerRecord<byte[], byte[]> record) {
        try (var producer = new KafkaProducer<>(Map.<String, Object>of("bootstrap.servers", stack.bootstrapServers(),
                "compression.type", "zstd", "max.request.size", 4 << 20), new ByteArraySerializer(),
                new ByteArraySerializer())) {
            producer.send(record);
        }
    }

    private void setOfOutcomes(String setting, String value) throws Exception {
        topics.admin().incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, Topics.COMPLETIONS),
                List.of(new AlterConfigOp(new ConfigEntry(setting, value), AlterConfigOp.OpType.SET)))).all().get();
    }

    private static String id() {
        return "promise-" + UUID.randomUUID();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String request(String id, String prompt) {
        return "{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 2}".formatted(id, prompt);
    }

    private static JsonNode json(ConsumerRecord<byte[], byte[]> record) {
        try {
            return JSON.readTree(record.value());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The value of one line of the metrics; 0 if there is no such line. */
    private double metric(String series) throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(http.resolve("q/metrics")).build(),
                        HttpResponse.BodyHandlers.ofString()).body().lines()
                .filter(line -> line.startsWith(series + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }
}
