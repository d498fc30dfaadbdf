package dev.darkroom.worker.intake;

import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.KafkaBinding;
import dev.darkroom.worker.WorkerThreads;
import dev.darkroom.worker.cancel.Cancellations;
import dev.darkroom.worker.claim.Claim;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.deliver.Delivery;
import dev.darkroom.worker.generate.Backlog;
import dev.darkroom.worker.intake.Inputs.InvalidInputException;
import dev.darkroom.worker.outcome.IdempotencyStore;
import dev.darkroom.worker.outcome.IdempotencyStore.Concluded;
import dev.darkroom.worker.outcome.IdempotencyStore.Known;
import dev.darkroom.worker.outcome.IdempotencyStore.Pending;
import dev.darkroom.worker.outcome.Outcomes;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jboss.logging.Logger;

/**
 * Decides what becomes of a record: a job in the backlog, or at once an outcome or a dead letter. Runs on threads of its
 * own, since it asks the object store.
 */
@ApplicationScoped
public class Intake {

    private static final Logger LOG = Logger.getLogger(Intake.class);
    private static final int THREADS = 4;
    /** A look-up that takes longer had to wait for the store's return. */
    private static final Duration OUTAGE = Duration.ofSeconds(2);
    /** Longer than the pause in which a worker that holds an image tries again to store it. */
    private static final Duration GRACE = Duration.ofSeconds(3);
    /** How long after partitions have moved another worker may still come to an end with what moved. */
    private static final Duration UNSETTLED = Duration.ofSeconds(30);
    private static final long LOOK_AGAIN_MS = 1_000;
    /** What is looked for in the backlog again and again; the one asks the store, which may take long. */
    private static final int LOOKS = 2;

    private final RequestReader reader;
    private final ParameterResolution resolution;
    private final Inputs inputs;
    private final IdempotencyStore idempotency;
    private final Claims claims;
    private final Cancellations cancellations;
    private final Backlog backlog;
    private final Delivery delivery;
    private final Outcomes outcomes;
    private final int maxAttempts;
    /** When the store's return is long enough ago, as {@link System#nanoTime} counts. */
    private volatile long calm = System.nanoTime();
    private final ExecutorService threads = Executors.newFixedThreadPool(THREADS, WorkerThreads.named("intake"));
    private final ScheduledExecutorService timer =
            Executors.newScheduledThreadPool(LOOKS, WorkerThreads.named("look-again"));

    Intake(DarkroomConfig config, RequestReader reader, ParameterResolution resolution, Inputs inputs,
            IdempotencyStore idempotency,
            Claims claims, Cancellations cancellations, Backlog backlog, Delivery delivery, Outcomes outcomes) {
        this.reader = reader;
        this.resolution = resolution;
        this.inputs = inputs;
        this.idempotency = idempotency;
        this.claims = claims;
        this.cancellations = cancellations;
        this.backlog = backlog;
        this.delivery = delivery;
        this.outcomes = outcomes;
        this.maxAttempts = config.flow().maxAttempts();
        timer.scheduleWithFixedDelay(this::lookAgain, LOOK_AGAIN_MS, LOOK_AGAIN_MS, TimeUnit.MILLISECONDS);
        timer.scheduleWithFixedDelay(this::cancelWaiting, LOOK_AGAIN_MS, LOOK_AGAIN_MS, TimeUnit.MILLISECONDS);
    }

    /** Admits a record in the background. */
    public void admit(Claim claim) {
        inBackground(claim, () -> read(claim));
    }

    private void read(Claim claim) {
        ReadResult result = KafkaBinding.read(reader, claim.headers(), claim.value());
        if (result instanceof ReadResult.Understood understood) {
            GenerationRequest request = understood.request();
            claim.identify(request.requestId());
            Job job = new Job(claim, request);
            // A request that is sent twice, or redelivered while it is under way, is answered like its first copy
            if (claims.takeTurn(claim, () -> inBackground(claim, () -> lookUp(job)))) {
                lookUp(job);
            }
        } else if (result instanceof ReadResult.Refused refused) {
            claim.identify(refused.requestId());
            outcomes.refuse(claim, refused.outcome());
        } else if (result instanceof ReadResult.Undecodable undecodable) {
            outcomes.deadLetter(claim, undecodable.message());
        }
    }

    private void lookUp(Job job) {
        Known known = find(job);
        if (known instanceof Concluded concluded) {
            outcomes.replay(job, concluded.outcome());
        } else if (known instanceof Pending pending) {
            queue(job.attempted(pending.attempts()));
        } else {
            outcomes.refuseReused(job);
        }
    }

    /**
     * After an outage of the store another worker may hold the images of this very request, which moved here meanwhile, and
     * store them when it tries again: looked up at once, the request would be generated a second time.
     */
    private Known find(Job job) {
        long start = System.nanoTime();
        Known known = idempotency.find(job);
        long now = System.nanoTime();
        if (now - start > OUTAGE.toNanos()) {
            calm = now + GRACE.toNanos();
        }
        long left = calm - now;
        if (!(known instanceof Pending) || left <= 0) {
            return known;
        }
        try {
            TimeUnit.NANOSECONDS.sleep(left);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("The worker stopped before the request was looked up.");
        }
        return idempotency.find(job);
    }

    /** After a rebalance, what waits here may be stored by a worker that held it longer than it had its partition. */
    private void lookAgain() {
        try {
            if (claims.movedWithin(UNSETTLED)) {
                backlog.waiting().stream().filter(this::done).filter(job -> job.claim().resume())
                        .forEach(job -> inBackground(job.claim(), () -> lookUp(job)));
            }
        } catch (RuntimeException e) {
            // Looked up later, or generated again at worst
            LOG.debugf(e, "look-again=failed");
        }
    }

    private void cancelWaiting() {
        backlog.waiting().stream().filter(this::cancelled).filter(job -> job.claim().resume())
                .forEach(job -> inBackground(job.claim(), () -> outcomes.cancel(job)));
    }

    private boolean cancelled(Job job) {
        return cancellations.contains(job.request().requestId());
    }

    private boolean done(Job job) {
        return idempotency.concluded(job)
                || delivery.stored(job, resolution.resolve(job.request()), resolution.model()).isPresent();
    }

    private void queue(Job job) {
        if (cancelled(job)) {
            outcomes.cancel(job);
        } else if (job.attempts() >= maxAttempts) {
            outcomes.giveUp(job);
        } else if (job.expired()) {
            outcomes.expire(job);
        } else {
            try {
                GenerationParameters parameters = resolution.resolve(job.request());
                if (!delivery.adopt(job, parameters, resolution.model())) {
                    backlog.add(withPicture(job, parameters), parameters);
                }
            } catch (UnsupportedParametersException e) {
                outcomes.fail(job, FailureReason.UNSUPPORTED_PARAMETERS, Optional.of(e.field()), e.getMessage());
            } catch (InvalidInputException e) {
                outcomes.fail(job, FailureReason.INVALID_INPUT, Optional.of(e.field()), e.getMessage());
            }
        }
    }

    private Job withPicture(Job job, GenerationParameters parameters) throws InvalidInputException {
        return job.request().image().isEmpty() || job.source().isPresent()
                ? job : job.startingFrom(inputs.fetch(job.request(), parameters));
    }

    /** What fails here goes to the dead-letter topic: nothing stops the partition. */
    private void inBackground(Claim claim, Runnable work) {
        try {
            threads.execute(() -> claim.attend(work, failure ->
                    outcomes.deadLetter(claim, "The worker failed on this record: " + failure)));
        } catch (RejectedExecutionException | Error e) {
            claim.release("nobody can admit it: " + e);
        }
    }

    @PreDestroy
    void close() {
        timer.shutdownNow();
        threads.shutdownNow();
    }
}
