package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.darkroom.contract.HostileRecords;
import dev.darkroom.contract.HostileRecords.Fate;
import dev.darkroom.contract.HostileRecords.Hostile;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What nobody should send stops nothing: each record gets its answer, and the next request its image. */
@QuarkusTest
@WithTestResource(WorkerResource.class)
@Timeout(180)
class HostileRecordsTest {

    private static final long MOST_GROWTH = 64L << 20;

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
        hostile.forEach(record -> topics.send(
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

    private static long usedMemory() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }
}
