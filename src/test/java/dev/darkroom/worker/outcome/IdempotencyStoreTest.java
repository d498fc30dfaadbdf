package dev.darkroom.worker.outcome;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.Records;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.outcome.IdempotencyStore.Concluded;
import dev.darkroom.worker.outcome.IdempotencyStore.Known;
import dev.darkroom.worker.outcome.IdempotencyStore.Pending;
import dev.darkroom.worker.outcome.IdempotencyStore.Taken;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
import io.cloudevents.CloudEvent;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Two workers and one store: whatever they do at the same moment, a request has one outcome. */
class IdempotencyStoreTest {

    private static Stack stack;
    private static MinioImageStore store;
    private static IdempotencyStore one;
    private static IdempotencyStore another;

    private final Job job = job("a lime");

    @BeforeAll
    static void start() {
        stack = Stack.start();
        store = new MinioImageStore(new StoreSettings(stack.storeEndpoint(), "us-east-1", "darkroom", stack.accessKey(),
                stack.secretKey(), true, true, Duration.ofSeconds(5), Duration.ofSeconds(30)));
        store.open();
        one = new IdempotencyStore(store);
        another = new IdempotencyStore(store);
    }

    @AfterAll
    static void stop() {
        store.close();
        stack.close();
    }

    @Test
    void nothingIsKnownOfANewRequest() {
        assertThat(one.find(job)).isEqualTo(new Pending(0));
    }

    @Test
    void theFirstOutcomeStays() {
        String first = told(one.conclude(job, outcome("first")));
        assertThat(told(another.conclude(job, outcome("second")))).isEqualTo(first);
        assertThat(told(another.find(job))).isEqualTo(first);
    }

    @Test
    void anAttemptIsCountedOncePerProcess() {
        one.countAttempt(job.identity());
        another.countAttempt(job.identity());
        assertThat(one.find(job)).isEqualTo(new Pending(2));
    }

    @Test
    void attemptsThatAreCountedAtOnceAreAllCounted() {
        CompletableFuture.allOf(IntStream.range(0, 8).mapToObj(i -> CompletableFuture.runAsync(() ->
                (i % 2 == 0 ? one : another).countAttempt(job.identity()))).toArray(CompletableFuture[]::new)).join();
        assertThat(one.find(job)).isEqualTo(new Pending(8));
    }

    @Test
    void aCountedAttemptOverwritesNoOutcome() {
        String concluded = told(one.conclude(job, outcome("first")));
        another.countAttempt(job.identity());
        assertThat(told(one.find(job))).isEqualTo(concluded);
    }

    @Test
    void anAttemptThatIsCountedWhileAnotherConcludesOverwritesNothing() {
        for (int i = 0; i < 20; i++) {
            Job next = job("a lime");
            CompletableFuture<Void> counting =
                    CompletableFuture.runAsync(() -> another.countAttempt(next.identity()));
            String concluded = told(one.conclude(next, outcome("first")));
            counting.join();
            assertThat(told(one.find(next))).isEqualTo(concluded);
        }
    }

    @Test
    void twoThatConcludeAnAttemptedRequestComeToTheSameOutcome() {
        one.countAttempt(job.identity());
        CompletableFuture<Known> other =
                CompletableFuture.supplyAsync(() -> another.conclude(job.attempted(1), outcome("second")));
        String first = told(one.conclude(job.attempted(1), outcome("first")));

        assertThat(told(other.join())).isEqualTo(first);
    }

    @Test
    void aRequestIdIsTakenByTheFirstRequest() {
        GenerationRequest lemon = Records.read(json(id(job), "a lemon"));
        one.conclude(job, outcome("first"));
        assertThat(another.find(new Job(null, lemon))).isEqualTo(new Taken());
        assertThat(another.conclude(new Job(null, lemon), outcome("second"))).isEqualTo(new Taken());
    }

    @Test
    void attemptsAreThoseOfOneRequestAlone() {
        GenerationRequest lemon = Records.read(json(id(job), "a lemon"));
        one.countAttempt(job.identity());
        assertThat(List.of(one.find(job), one.find(new Job(null, lemon)))).containsExactly(new Pending(1), new Pending(0));
    }

    /** The outcome, as it is published. */
    private static String told(Known known) {
        return new String(Events.toStructured(((Concluded) known).outcome()), StandardCharsets.UTF_8);
    }

    private static Job job(String prompt) {
        return new Job(null, Records.read(json("idempotent-" + UUID.randomUUID(), prompt)));
    }

    private static String json(String id, String prompt) {
        return "{\"requestId\": \"%s\", \"prompt\": \"%s\"}".formatted(id, prompt);
    }

    private static String id(Job job) {
        return job.request().requestId();
    }

    private CloudEvent outcome(String message) {
        return new Events("/darkroom").of(new Failed(id(job), FailureReason.GENERATION_FAILED, Optional.empty(), message,
                Map.of()), Instant.now());
    }
}
