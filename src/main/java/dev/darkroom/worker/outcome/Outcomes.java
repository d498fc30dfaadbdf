package dev.darkroom.worker.outcome;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.Outcome;
import dev.darkroom.contract.Withheld;
import dev.darkroom.worker.WorkerMetrics;
import dev.darkroom.worker.claim.Claim;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.claim.Settlement;
import dev.darkroom.worker.outcome.IdempotencyStore.Concluded;
import dev.darkroom.worker.outcome.KafkaPublisher.RefusedForGoodException;
import io.cloudevents.CloudEvent;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * How a claim ends: each way publishes, waits for the broker's acknowledgement, and only then ends the claim. All methods
 * block for as long as that takes.
 */
@ApplicationScoped
public class Outcomes {

    private final Events events;
    private final IdempotencyStore idempotency;
    private final Publisher publisher;
    private final WorkerMetrics metrics;

    Outcomes(Events events, IdempotencyStore idempotency, Publisher publisher, WorkerMetrics metrics) {
        this.events = events;
        this.idempotency = idempotency;
        this.publisher = publisher;
        this.metrics = metrics;
    }

    /** The request's images are stored. */
    public void complete(Job job, Completed completed) {
        conclude(job, completed);
    }

    /** The request cannot be fulfilled. */
    public void fail(Job job, FailureReason reason, Optional<String> field, String message) {
        GenerationRequest request = job.request();
        conclude(job, new Failed(request.requestId(), reason, field, message, request.metadata()));
    }

    /** The request's deadline has passed. */
    public void expire(Job job) {
        fail(job, FailureReason.EXPIRED, Optional.of("deadline"),
                "The deadline, " + job.request().deadline().map(Instant::toString).orElse("")
                        + ", passed before the images were generated.");
    }

    /** The request is not wanted any more. */
    public void cancel(Job job) {
        fail(job, FailureReason.CANCELLED, Optional.empty(), "The request was cancelled before its images were stored.");
    }

    /** The request's images are all flagged by the safety checker, and withheld. */
    public void withhold(Job job, List<Withheld> images) {
        conclude(job, Failed.withheld(job.request().requestId(), images, job.request().metadata()));
    }

    /** The request keeps ending the process: it gets its failed event, and its record goes to the dead-letter topic. */
    public void giveUp(Job job) {
        String message = "The worker ended during each of " + job.attempts() + " attempts at this request.";
        publisher.deadLetter(job.claim(), message);
        metrics.outcome(job.claim().lane().toString(), "dead-lettered", FailureReason.TOO_MANY_ATTEMPTS.name());
        fail(job, FailureReason.TOO_MANY_ATTEMPTS, Optional.empty(), message);
    }

    /** The request id belongs to an earlier request that asked for something else. */
    public void refuseReused(Job job) {
        refuse(job.claim(), new Failed(job.request().requestId(), FailureReason.REQUEST_ID_REUSED,
                Optional.of("requestId"),
                "The request id is taken by an earlier request that asked for something else; "
                        + "send this one under an id of its own.",
                job.request().metadata()));
    }

    /**
     * The request is not looked into: it breaks the contract, or its id belongs to another. Nothing of it is stored; the
     * event follows from the record alone, so that it is the same whenever the record is delivered.
     */
    public void refuse(Claim claim, Failed failed) {
        publish(claim, events.refusal(failed, claim.place(), claim.timestamp()),
                Settlement.of(failed));
    }

    /** The request has had its outcome before: it is published again, the same in every byte. */
    public void replay(Job job, CloudEvent outcome) {
        publish(job.claim(), outcome, Settlement.REPLAYED);
    }

    /** The record is no request that could be answered. */
    public void deadLetter(Claim claim, String reason) {
        publisher.deadLetter(claim, reason);
        claim.deadLetter(reason);
    }

    private void conclude(Job job, Outcome outcome) {
        if (idempotency.conclude(job, events.of(outcome, Instant.now())) instanceof Concluded concluded) {
            // Which need not be the one that was tried
            publish(job.claim(), concluded.outcome(), Settlement.of(Events.outcome(concluded.outcome())));
        } else {
            refuseReused(job);
        }
    }

    private void publish(Claim claim, CloudEvent event, Settlement settlement) {
        try {
            publisher.outcome(claim, event);
        } catch (RefusedForGoodException e) {
            deadLetter(claim, "The outcome, " + event.getId() + ", cannot be published: " + e.getMessage());
            return;
        }
        claim.settle(settlement);
    }
}
