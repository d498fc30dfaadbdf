package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Cancellation;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.HostileRecords;
import dev.darkroom.contract.HostileRecords.Fate;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.cancel.Cancellations;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.generate.Backlog;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.StoreSettings;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What becomes of a request that is not wanted any more, wherever it is just then. */
@QuarkusTest
@WithTestResource(WorkerResource.class)
@Timeout(180)
class CancellationTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration SOON = Duration.ofSeconds(30);
    /** So many that there is time for a cancellation while they are done. */
    private static final int STEPS = 60;

    Topics topics;
    StoreGate gate;
    Stack stack;

    @Inject
    FaultInjection faults;

    @Inject
    Cancellations cancellations;

    @Inject
    Backlog backlog;

    @Inject
    Claims claims;

    @AfterEach
    void openTheGate() {
        gate.open();
    }

    @Test
    void aCancellationThatComesFirstCountsInEveryForm() {
        String json = id();
        String binary = id();
        String structured = id();
        // What says nothing, in hundreds of ways, is ignored
        HostileRecords.stream().filter(hostile -> hostile.fate() == Fate.DEAD_LETTER).forEach(hostile -> topics.send(
                new ProducerRecord<>(Topics.CANCELLATIONS, null, hostile.key(), hostile.value(), hostile.headers())));
        topics.cancel(json);
        Events events = new Events("/test");
        topics.send(KafkaBinding.toRecord(Topics.CANCELLATIONS, null, events.of(new Cancellation(binary), Instant.now())));
        var event = cancellation(Events.toStructured(events.of(new Cancellation(structured), Instant.now())));
        event.headers().add("content-type", "application/cloudevents+json".getBytes(UTF_8));
        topics.send(event);
        List<String> ids = List.of(json, binary, structured);
        await().atMost(SOON).until(() -> ids.stream().allMatch(cancellations::contains));
        ids.forEach(id -> topics.send(request(id, 2)));

        ids.forEach(this::assertCancelled);
        assertThat(ids).allSatisfy(id -> assertThat(faults.attempts(prompt(id))).isZero());
    }

    private static ProducerRecord<byte[], byte[]> cancellation(byte[] value) {
        return new ProducerRecord<>(Topics.CANCELLATIONS, null, value);
    }

    @Test
    void aRequestThatWaitsIsAnsweredAtOnceAndSoIsItsCopy() {
        String blocker = block();
        String id = id();
        try {
            topics.send(request(id, 2));
            topics.send(request(id, 2));
            await().atMost(SOON).until(() -> backlog.waiting().size() == 1 && claims.count() == 3);
            topics.cancel(id);

            // While the generator still has its first batch
            List<ConsumerRecord<byte[], byte[]>> told = topics.outcomes(id, 2);
            assertThat(told.get(1).value()).isEqualTo(told.get(0).value());
            assertCancelled(id);
            assertThat(topics.received(Topics.COMPLETIONS, blocker)).isEmpty();
        } finally {
            faults.breakSilence();
        }
        assertThat(header(topics.outcome(blocker), "ce_id")).isEqualTo(blocker + ".completed");
        assertThat(faults.attempts(prompt(id))).isZero();
    }

    @Test
    void aBatchWhoseRequestsAreAllCancelledStopsAtItsNextStep() {
        List<String> ids = batch();
        ids.forEach(topics::cancel);

        ids.forEach(this::assertCancelled);
        assertThat(ids).allSatisfy(id -> assertThat(topics.received(Topics.PROGRESS, id).stream()
                .mapToInt(progress -> json(progress).get("step").asInt()).max().orElseThrow())
                .isPositive().isLessThan(STEPS - 1));
        assertNothingIsLeftBehind();
    }

    @Test
    void oneOfABatchIsCancelledAndTheOtherGetsItsImage() {
        List<String> ids = batch();
        topics.cancel(ids.get(0));

        assertCancelled(ids.get(0));
        assertThat(json(topics.outcome(ids.get(1))).at("/timings/batchSize").asInt()).isEqualTo(2);
        assertThat(stored(ids.get(0), STEPS)).isFalse();
        assertThat(stored(ids.get(1), STEPS)).isTrue();
        assertNothingIsLeftBehind();
    }

    /** Two requests in the middle of their batch. */
    private List<String> batch() {
        block();
        List<String> ids = List.of(id(), id());
        ids.forEach(id -> topics.send(request(id, STEPS)));
        await().atMost(SOON).until(() -> backlog.waiting().size() == 2);
        faults.breakSilence();
        await().atMost(SOON).until(() -> ids.stream().allMatch(id -> topics.received(Topics.PROGRESS, id).size() > 1));
        return ids;
    }

    @Test
    void whatIsGeneratedAndWaitsForItsTurnToBeStoredIsNotStored() {
        block();
        // More than are stored at once
        List<String> ids = IntStream.range(0, 12).mapToObj(i -> id()).toList();
        ids.forEach(id -> topics.send(request(id, 1)));
        await().atMost(SOON).until(() -> backlog.waiting().size() == ids.size());
        gate.shut();
        faults.breakSilence();
        await().atMost(SOON).until(() -> ids.stream().allMatch(id -> faults.attempts(prompt(id)) == 1));
        ids.forEach(topics::cancel);
        await().atMost(SOON).until(() -> ids.stream().allMatch(cancellations::contains));
        gate.open();

        List<String> cancelled = ids.stream().filter(id -> header(topics.outcome(id), "ce_id").endsWith(".failed")).toList();
        assertThat(cancelled).hasSizeGreaterThanOrEqualTo(4).allSatisfy(id -> {
            assertCancelled(id);
            assertThat(stored(id, 1)).isFalse();
        });
        assertNothingIsLeftBehind();
    }

    @Test
    void aRequestThatIsDoneKeepsItsOutcome() {
        String id = id();
        topics.send(request(id, 2));
        ConsumerRecord<byte[], byte[]> outcome = topics.outcome(id);
        topics.cancel(id);
        await().atMost(SOON).until(() -> cancellations.contains(id));
        topics.send(request(id, 2));

        ConsumerRecord<byte[], byte[]> again = topics.outcomes(id, 2).get(1);
        assertThat(header(again, "ce_id")).isEqualTo(id + ".completed");
        assertThat(again.value()).isEqualTo(outcome.value());
    }

    @Test
    void partitionsThatAreAddedAreReadToo() throws Exception {
        topics.admin().createPartitions(Map.of(Topics.CANCELLATIONS,
                NewPartitions.increaseTo(2))).all().get();
        String id = id();
        topics.send(new ProducerRecord<>(Topics.CANCELLATIONS, 1, null,
                "{\"requestId\": \"%s\"}".formatted(id).getBytes(UTF_8)));
        await().atMost(Duration.ofSeconds(60)).until(() -> cancellations.contains(id));
    }

    /** Keeps the generator busy until the silence is broken. */
    private String block() {
        String blocker = id();
        long before = faults.attempts(FaultInjection.SILENCE);
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 1}".formatted(blocker, FaultInjection.SILENCE));
        await().atMost(SOON).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        return blocker;
    }

    private void assertCancelled(String id) {
        ConsumerRecord<byte[], byte[]> outcome = topics.outcome(id);
        assertThat(header(outcome, "ce_id")).isEqualTo(id + ".failed");
        assertThat(json(outcome).get("reason").asText()).isEqualTo("CANCELLED");
        assertThat(json(outcome).get("retryable").asBoolean()).isFalse();
        assertThat(json(outcome).at("/metadata/who").asText()).isEqualTo("test");
        assertThat(topics.received(Topics.COMPLETIONS, id)).allSatisfy(told ->
                assertThat(told.value()).isEqualTo(outcome.value()));
    }

    private void assertNothingIsLeftBehind() {
        await().atMost(SOON).until(() -> claims.count() == 0 && topics.committed() == topics.sent());
        assertThat(claims.givenUp()).isEmpty();
    }

    /** Whether an image of the request is in the store. */
    private boolean stored(String id, int steps) {
        Job job = new Job(null, Records.read(request(id, steps)));
        try (MinioImageStore store = new MinioImageStore(new StoreSettings(stack.storeEndpoint(), "us-east-1", "darkroom",
                stack.accessKey(), stack.secretKey(), true, false, Duration.ofSeconds(5), Duration.ofSeconds(5)))) {
            return store.find(ObjectKeys.image(job.identity(), 0, job.request().format())).isPresent();
        }
    }

    private static String id() {
        return "cancel-" + UUID.randomUUID();
    }

    private static String prompt(String id) {
        return "a lime " + id;
    }

    private static String request(String id, int steps) {
        return "{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": %d, \"metadata\": {\"who\": \"test\"}}".formatted(
                id, prompt(id), steps);
    }

    private static JsonNode json(ConsumerRecord<byte[], byte[]> record) {
        try {
            return JSON.readTree(record.value());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
