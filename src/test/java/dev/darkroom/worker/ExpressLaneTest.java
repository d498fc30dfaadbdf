package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.generate.Backlog;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Requests that go first. */
@QuarkusTest
@WithTestResource(WorkerResource.class)
@Timeout(300)
class ExpressLaneTest {

    private static final Duration SOON = Duration.ofSeconds(30);
    private static final int BACKLOG = 500;

    Topics topics;

    @Inject
    FaultInjection faults;

    @Inject
    Backlog backlog;

    @Inject
    Claims claims;

    @Test
    void behindABacklogOf500AnExpressRequestIsAnsweredWithinTwoBatches() {
        List<String> many = IntStream.range(0, BACKLOG).mapToObj(i -> id()).toList();
        many.forEach(id -> topics.send(request(id)));
        await().atMost(SOON).until(() -> many.stream().anyMatch(id -> !topics.received(Topics.COMPLETIONS, id).isEmpty()));

        for (int i = 0; i < 3; i++) {
            String id = id();
            topics.sendExpress(request(id));
            int begun = faults.batches().size();
            assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".completed");
            // The one that was under way comes before these
            assertThat(faults.batches().subList(begun, begun + 2)).as("the next two batches")
                    .anyMatch(batch -> batch.stream().anyMatch(image -> image.prompt().equals(prompt(id))));
        }
        assertThat(many).filteredOn(id -> topics.received(Topics.COMPLETIONS, id).isEmpty()).hasSizeGreaterThan(BACKLOG / 2);

        many.forEach(topics::cancel);
        await().atMost(Duration.ofSeconds(90)).until(() ->
                many.stream().noneMatch(id -> topics.received(Topics.COMPLETIONS, id).isEmpty()));
        await().atMost(SOON).until(() -> claims.count() == 0 && topics.committed() == topics.sent());
    }

    @Test
    void copiesOnBothLanesAreGeneratedOnce() {
        String id = id();
        topics.send(request(id));
        topics.sendExpress(request(id));

        List<ConsumerRecord<byte[], byte[]>> told = topics.outcomes(id, 2);
        assertThat(told.get(1).value()).isEqualTo(told.get(0).value());
        assertThat(faults.attempts(prompt(id))).isEqualTo(1);
    }

    @Test
    void anExpressRequestThatWaitsIsCancelled() {
        long before = faults.attempts(FaultInjection.SILENCE);
        topics.sendExpress("{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 1}".formatted(id(), FaultInjection.SILENCE));
        await().atMost(SOON).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        String id = id();
        try {
            topics.sendExpress(request(id));
            await().atMost(SOON).until(() -> backlog.waiting().size() == 1);
            topics.cancel(id);
            assertThat(topics.outcome(id).value()).asString().contains("CANCELLED");
        } finally {
            faults.breakSilence();
        }
    }

    @Test
    void refusalsOfOneIdInBothLanesAreTwoEvents() {
        String id = id();
        String invalid = "{\"requestId\": \"%s\", \"prompt\": \"\"}".formatted(id);
        topics.send(invalid);
        topics.sendExpress(invalid);

        assertThat(topics.outcomes(id, 2)).extracting(refusal -> header(refusal, "ce_id")).doesNotHaveDuplicates()
                .anyMatch(event -> event.matches(id + "\\.failed\\.\\d+-\\d+"))
                .anyMatch(event -> event.matches(id + "\\.failed\\.express-\\d+-\\d+"));
    }

    @Test
    void whatCannotBeDecodedIsDeadLettered() {
        byte[] value = id().getBytes(UTF_8);
        topics.send(new ProducerRecord<>(Topics.EXPRESS, null, value));

        assertThat(header(topics.deadLetter(value), "dead-letter-topic")).isEqualTo(Topics.EXPRESS);
        await().atMost(SOON).until(() -> topics.committed() == topics.sent());
    }

    private static String id() {
        return "express-" + UUID.randomUUID();
    }

    private static String prompt(String id) {
        return "a lime " + id;
    }

    private static String request(String id) {
        return "{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 2}".formatted(id, prompt(id));
    }
}
