package dev.darkroom.worker;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.Outcome;
import io.cloudevents.CloudEvent;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import java.util.Optional;
import org.jboss.logging.Logger;

/**
 * How a record ends. Every way but {@link #abandon} publishes first, waits for the broker's acknowledgement, and only then
 * acknowledges the record. All methods block, and may be repeated from their start when the object store fails.
 */
@ApplicationScoped
class Conclusion {

    private static final Logger LOG = Logger.getLogger(Conclusion.class);

    private final Events events;
    private final Ledger ledger;
    private final Publisher publisher;
    private final InFlight inFlight;
    private final Turns turns;
    private final WorkerMetrics metrics;
    private final Tracing tracing;

    Conclusion(Events events, Ledger ledger, Publisher publisher, InFlight inFlight, Turns turns,
            WorkerMetrics metrics, Tracing tracing) {
        this.events = events;
        this.ledger = ledger;
        this.publisher = publisher;
        this.inFlight = inFlight;
        this.turns = turns;
        this.metrics = metrics;
        this.tracing = tracing;
    }

    /** The request's images are stored. */
    void complete(Job job, Completed completed) {
        conclude(job, completed);
    }

    /** The request cannot be fulfilled. */
    void fail(Job job, FailureReason reason, Optional<String> field, String message) {
        GenerationRequest request = job.request();
        conclude(job, new Failed(request.requestId(), reason, field, message, request.metadata()));
    }

    /** The request's deadline has passed. */
    void expire(Job job) {
        fail(job, FailureReason.EXPIRED, Optional.of("deadline"),
                "The deadline, " + job.request().deadline().map(Instant::toString).orElse("")
                        + ", passed before the images were generated.");
    }

    /** The request is not looked into: it breaks the contract, or its id belongs to another. The ledger is not asked. */
    void refuse(SourceRecord source, Failed failed) {
        publish(source, events.of(failed, Instant.now()), "failed", failed.reason().name());
        finish(source);
    }

    /** The request has had its outcome before: it is told again, the same in every byte. */
    void replay(Job job, CloudEvent outcome) {
        publish(job.source(), outcome, "replayed", "");
        finish(job);
    }

    /** The record is no request that could be answered. */
    void deadLetter(SourceRecord source, String reason) {
        bury(source, reason);
        finish(source);
    }

    /** The request keeps ending the process: it gets its failed event, and its record goes to the dead-letter topic. */
    void condemn(Job job, String message) {
        bury(job.source(), message);
        fail(job, FailureReason.TOO_MANY_ATTEMPTS, Optional.empty(), message);
    }

    /** The request is left to another worker: nothing is published and nothing acknowledged. */
    void abandon(Job job) {
        LOG.infof("request=abandoned id=%s %s", job.request().requestId(), job.source());
        tracing.end(job.source(), "abandoned", false);
        inFlight.abandon(job.source());
        turns.end(job.request().requestId());
    }

    private void conclude(Job job, Outcome outcome) {
        CloudEvent event = events.of(outcome, Instant.now());
        Ledger.Entry entry = ledger.conclude(job.request(), event);
        if (entry instanceof Ledger.Concluded concluded) {
            if (outcome instanceof Failed failed) {
                publish(job.source(), concluded.outcome(), "failed", failed.reason().name());
            } else {
                publish(job.source(), concluded.outcome(), "completed", "");
            }
            finish(job);
        } else {
            refuse(job.source(), reused(job.request()));
            turns.end(job.request().requestId());
        }
    }

    /** The answer to a request whose id was taken by another before it. */
    static Failed reused(GenerationRequest request) {
        return new Failed(request.requestId(), FailureReason.REQUEST_ID_REUSED, Optional.of("requestId"),
                "The request id is taken by an earlier request that asked for something else; "
                        + "send this one under an id of its own.",
                request.metadata());
    }

    private void publish(SourceRecord source, CloudEvent event, String outcome, String reason) {
        publisher.outcome(source, event);
        metrics.outcome(outcome, reason);
        tracing.end(source, outcome, "failed".equals(outcome));
        LOG.infof("request=%s id=%s %s%s", outcome, event.getSubject(), source,
                reason.isEmpty() ? "" : " reason=" + reason);
    }

    private void bury(SourceRecord source, String reason) {
        publisher.deadLetter(source, reason);
        metrics.outcome("dead-lettered", "");
        tracing.end(source, "dead-lettered", true);
        LOG.warnf("request=dead-lettered %s reason=\"%s\"", source, reason);
    }

    private void finish(Job job) {
        finish(job.source());
        turns.end(job.request().requestId());
    }

    private void finish(SourceRecord source) {
        inFlight.done(source);
    }
}
