package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.stack.Stack;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of requests when the worker ends, in whatever way, or shares them with another. */
@Timeout(240)
class WorkerProcessIT {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int REQUESTS = 16;

    private static Stack stack;
    private static Topics topics;

    @TempDir
    Path folder;

    @BeforeAll
    static void startStack() {
        stack = Stack.start();
        topics = new Topics(stack.bootstrapServers());
    }

    @AfterAll
    static void stopStack() {
        topics.close();
        stack.close();
    }

    @Test
    void aWorkerKilledAtAnyMomentLosesNothingAndTellsNoSecondOutcome() {
        List<String> ids = send();
        WorkerProcess worker = start();
        awaitOutcomes(ids, 1);
        worker.kill();
        worker = start();
        awaitOutcomes(ids, ids.size() / 2);
        worker.kill();
        try (WorkerProcess last = start()) {
            awaitOutcomes(ids, ids.size());
            assertOneOutcomeEach(ids);
            awaitAllCommitted();
        }
    }

    @Test
    void aWorkerThatIsAskedToEndFinishesWhatItHasBegunAndCommitsIt() {
        List<String> ids = send();
        WorkerProcess worker = start();
        awaitOutcomes(ids, 2);
        worker.terminate();
        assertThat(worker.output()).contains("worker=drained complete=true");
        try (WorkerProcess next = start()) {
            awaitOutcomes(ids, ids.size());
            awaitAllCommitted();
            // What was done behind an unfinished record is delivered again, and answered with the very same event
            assertThat(ids).allSatisfy(id -> assertThat(outcomes(id)).extracting(ConsumerRecord::value)
                    .as("outcomes of %s", id).containsOnly(outcomes(id).get(0).value()));
        }
    }

    @Test
    void aSecondWorkerTakesOverItsShareAndNothingIsLost() {
        List<String> ids = send();
        try (WorkerProcess first = start()) {
            awaitOutcomes(ids, 1);
            try (WorkerProcess second = start()) {
                awaitOutcomes(ids, ids.size());
                assertOneOutcomeEach(ids);
                // The first is done with its own before the second has joined, unless it is slow
                List<String> more = new ArrayList<>();
                await().atMost(Duration.ofSeconds(90)).until(() -> {
                    more.addAll(send());
                    awaitOutcomes(more, more.size());
                    return second.output().contains("request=completed");
                });
                assertOneOutcomeEach(more);
            }
            awaitAllCommitted();
        }
    }

    @Test
    void aWorkerThatWasSuspendedGivesUpWhatAnotherHasTakenOver() {
        List<String> ids = send();
        try (WorkerProcess first = start()) {
            awaitOutcomes(ids, 1);
            first.suspend();
            try (WorkerProcess second = start()) {
                awaitOutcomes(ids, ids.size());
                first.resume();
                await().atMost(Duration.ofSeconds(30)).until(() -> first.output().contains("partitions=lost"));
                List<String> more = send();
                awaitOutcomes(more, more.size());
                assertOneOutcomeEach(ids);
                assertOneOutcomeEach(more);
                assertThat(second.alive()).isTrue();
            }
            awaitAllCommitted();
        }
    }

    private WorkerProcess start() {
        return WorkerProcess.start(stack, folder, Map.of(
                "DARKROOM_FLOW_DRAIN_TIMEOUT", "120s",
                "MP_MESSAGING_INCOMING_REQUESTS_SESSION_TIMEOUT_MS", "6000",
                "MP_MESSAGING_INCOMING_REQUESTS_HEARTBEAT_INTERVAL_MS", "2000"));
    }

    /** Requests of two kinds, spread over the partitions by their keys. */
    private static List<String> send() {
        List<String> ids = IntStream.range(0, REQUESTS).mapToObj(i -> "it-" + UUID.randomUUID()).toList();
        for (int i = 0; i < ids.size(); i++) {
            String json = """
                    {"requestId": "%s", "prompt": "a kiwi", "profile": "%s", "steps": 12}
                    """.formatted(ids.get(i), i % 2 == 0 ? "final" : "euler-20");
            topics.send(new ProducerRecord<>(Topics.REQUESTS, ids.get(i).getBytes(UTF_8), json.getBytes(UTF_8)));
        }
        return ids;
    }

    private static void awaitOutcomes(List<String> ids, int count) {
        await().atMost(Duration.ofSeconds(120)).until(() ->
                ids.stream().filter(id -> !topics.received(Topics.COMPLETIONS, id).isEmpty()).count() >= count);
    }

    private static void awaitAllCommitted() {
        await().atMost(Duration.ofSeconds(30)).until(() -> topics.committed() == topics.sent());
    }

    private static List<ConsumerRecord<byte[], byte[]>> outcomes(String id) {
        return topics.received(Topics.COMPLETIONS, id);
    }

    private static void assertOneOutcomeEach(List<String> ids) {
        assertThat(ids).allSatisfy(id -> {
            assertThat(outcomes(id)).extracting(outcome -> header(outcome, "ce_id")).containsOnly(id + ".completed");
            assertThat(outcomes(id)).extracting(WorkerProcessIT::sha256)
                    .as("images of %s", id).containsOnly(sha256(outcomes(id).get(0)));
        });
    }

    private static String sha256(ConsumerRecord<byte[], byte[]> outcome) {
        try {
            return JSON.readTree(outcome.value()).at("/images/0/sha256").asText();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
