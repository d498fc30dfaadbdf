package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.HostileRecords;
import dev.darkroom.contract.HostileRecords.Fate;
import dev.darkroom.contract.HostileRecords.Hostile;
import dev.darkroom.contract.MutatedRequests;
import dev.darkroom.contract.MutatedRequests.Mutated;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What nobody should send stops nothing: each record gets its answer, once, and the next request its image. */
@QuarkusTest
@WithTestResource(WorkerResource.class)
@Timeout(180)
class HostileRecordsTest {

    private static final long MOST_GROWTH = 64L << 20;
    /** Of requests that are nearly right. */
    private static final int MUTATED = Integer.getInteger("mutated.requests", 1_000);
    private static final ObjectMapper JSON = new ObjectMapper();

    Topics topics;

    @Test
    void eachEndsInAFailedEventOrOnTheDeadLetterTopicAndTheConsumerGoesOn() {
        List<Hostile> hostile = HostileRecords.stream().toList();
        assertThat(hostile).hasSizeGreaterThanOrEqualTo(500);
        long deadLetters = hostile.stream().filter(record -> record.fate() == Fate.DEAD_LETTER).count();
        long earlier = deadLetters();

        // Once to warm up and once to measure: memory that a first run fills and a second does not is no leak
        send(hostile);
        awaitAnswers(hostile, earlier + deadLetters);
        long before = usedMemory();
        send(hostile);
        awaitAnswers(hostile, earlier + 2 * deadLetters);
        assertThat(usedMemory() - before).as("growth of the heap, in bytes").isLessThan(MOST_GROWTH);

        String id = "after-" + UUID.randomUUID();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 1}".formatted(id));
        assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".completed");
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == topics.sent());
    }

    private void send(List<Hostile> hostile) {
        hostile.forEach(record -> topics.post(
                new ProducerRecord<>(Topics.REQUESTS, null, record.key(), record.value(), record.headers())));
    }

    private void awaitAnswers(List<Hostile> hostile, long deadLetters) {
        await().atMost(Duration.ofSeconds(60)).untilAsserted(() ->
                assertThat(deadLetters()).isEqualTo(deadLetters));
        await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> assertThat(hostile)
                .filteredOn(record -> record.fate() != Fate.DEAD_LETTER)
                .allSatisfy(record -> assertThat(topics.received(Topics.COMPLETIONS, record.requestId()))
                        .isNotEmpty()
                        .allSatisfy(outcome -> assertThat(header(outcome, "ce_id"))
                                .startsWith(record.requestId() + ".failed"))));
        assertThat(topics.received(Topics.DEAD_LETTERS, record -> header(record, "dead-letter-reason").isBlank()))
                .isEmpty();
    }

    private long deadLetters() {
        return topics.received(Topics.DEAD_LETTERS, record -> true).size();
    }

    @Test
    void whatIsNearlyRightIsAnsweredOnceAsItsSchemaSays() throws IOException {
        List<Mutated> first = MutatedRequests.of(MUTATED / 2, 1, "mutated-a-");
        List<Mutated> second = MutatedRequests.of(MUTATED - MUTATED / 2, 2, "mutated-b-");
        Map<String, ConsumerRecord<byte[], byte[]>> outcomes = answers(first);
        long before = usedMemory();
        outcomes.putAll(answers(second));
        assertThat(usedMemory() - before).as("growth of the heap, in bytes").isLessThan(MOST_GROWTH);

        Map<String, Integer> reasons = new HashMap<>();
        for (Mutated request : Stream.of(first, second).flatMap(List::stream).toList()) {
            ConsumerRecord<byte[], byte[]> outcome = outcomes.get(request.requestId());
            JsonNode event = JSON.readTree(outcome.value());
            String reason = event.path("reason").asText(header(outcome, "ce_type"));
            reasons.merge(reason, 1, Integer::sum);
            assertThat(!reason.equals("INVALID_REQUEST")).as("%s: %s", request.value(), event).isEqualTo(request.valid());
        }
        // The changes reach past the schema
        assertThat(reasons).containsKeys("INVALID_REQUEST", "UNSUPPORTED_PARAMETERS", "INVALID_INPUT");
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == topics.sent());
    }

    /** Sends requests, every fourth on the express lane and with a cancellation that is none; waits for all their answers. */
    private Map<String, ConsumerRecord<byte[], byte[]>> answers(List<Mutated> requests) {
        for (int i = 0; i < requests.size(); i++) {
            Mutated request = requests.get(i);
            topics.post(new ProducerRecord<>(i % 4 == 0 ? Topics.EXPRESS : Topics.REQUESTS, request.requestId().getBytes(UTF_8),
                    request.value().getBytes(UTF_8)));
            if (i % 4 == 0) {
                topics.post(new ProducerRecord<>(Topics.CANCELLATIONS, request.requestId().getBytes(UTF_8),
                        request.value().replace("requestId", "request").getBytes(UTF_8)));
            }
        }
        await().atMost(Duration.ofSeconds(120)).until(() -> requests.stream()
                .noneMatch(request -> topics.received(Topics.COMPLETIONS, request.requestId()).isEmpty()));
        return requests.stream().map(Mutated::requestId).collect(Collectors.toMap(id -> id, id -> {
            List<ConsumerRecord<byte[], byte[]>> outcomes = topics.received(Topics.COMPLETIONS, id);
            assertThat(outcomes).as("outcomes of %s", id).hasSize(1);
            return outcomes.get(0);
        }));
    }

    private static long usedMemory() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }
}
