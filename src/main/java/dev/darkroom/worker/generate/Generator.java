package dev.darkroom.worker.generate;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.StartException;
import dev.darkroom.worker.WorkerMetrics;
import dev.darkroom.worker.WorkerThreads;
import dev.darkroom.worker.cancel.CancellationConsumer;
import dev.darkroom.worker.cancel.Cancellations;
import dev.darkroom.worker.claim.Claim;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.deliver.Delivery;
import dev.darkroom.worker.outcome.IdempotencyStore;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.StorageException;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.StartupEvent;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import jakarta.enterprise.inject.Instance;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import org.jboss.logging.Logger;

/**
 * The one thread that touches the device: loads the model, then takes batch after batch from the backlog and hands the
 * images on to {@link Delivery}. It waits for nothing but work.
 */
@ApplicationScoped
public class Generator {

    private static final Logger LOG = Logger.getLogger(Generator.class);

    private final DarkroomConfig config;
    private final Instance<GeneratorSource> source;
    private final ImageStore store;
    private final IdempotencyStore idempotency;
    private final Backlog backlog;
    private final Delivery delivery;
    private final Claims claims;
    private final CancellationConsumer cancellationConsumer;
    private final Cancellations cancellations;
    private final ProgressReports progress;
    private final WorkerMetrics metrics;
    private final Cost cost;
    private final ProcessExit exit;
    private final ObjectMapper json;
    private final Thread thread = WorkerThreads.named("generator").newThread(this::run);

    /** The claims of the batch at hand, for as long as they are the generator's. Its own thread's alone. */
    private final Set<Claim> held = new HashSet<>();

    private volatile ImageGenerator images;
    private volatile Instant busySince;
    private volatile Instant lastStep;
    private volatile boolean ready;

    Generator(DarkroomConfig config, Instance<GeneratorSource> source, ImageStore store, IdempotencyStore idempotency,
            Backlog backlog, Delivery delivery, Claims claims, CancellationConsumer cancellationConsumer,
            Cancellations cancellations, ProgressReports progress, WorkerMetrics metrics, Cost cost,
            ProcessExit exit, ObjectMapper json) {
        this.config = config;
        this.source = source;
        this.store = store;
        this.idempotency = idempotency;
        this.backlog = backlog;
        this.delivery = delivery;
        this.claims = claims;
        this.cancellationConsumer = cancellationConsumer;
        this.cancellations = cancellations;
        this.progress = progress;
        this.metrics = metrics;
        this.cost = cost;
        this.exit = exit;
        this.json = json;
    }

    void start(@Observes StartupEvent event) {
        thread.start();
    }

    /** The generator proper; there once {@link #ready()}. */
    public ImageGenerator images() {
        return images;
    }

    /** Whether model and store are open, so that requests are taken. */
    public boolean ready() {
        return ready;
    }

    /** Whether the thread lives and, in the middle of a batch, was heard of within the given time. */
    public boolean alive(Duration silence) {
        Instant last = lastStep;
        return thread.isAlive() && (last == null || last.plus(silence).isAfter(Instant.now()));
    }

    /** Since when a batch has been generated; empty between batches. */
    public Optional<Instant> busySince() {
        return Optional.ofNullable(busySince);
    }

    /** Ends a batch in its middle, since all of its requests are cancelled, or with other workers by now. */
    private static final class GivenUpException extends CancellationException {
    }

    private void run() {
        try (AttemptJournal journal = AttemptJournal.open(config.stateDir(), json);
                ImageGenerator opened = source.get().open()) {
            images = opened;
            store.open();
            journal.unfinished().forEach(entry -> idempotency.countAttempt(entry.identity()));
            journal.end();
            ready = true;
            cancellationConsumer.awaitRead();
            claims.open();
            LOG.infof("worker=ready bundle=%s device=\"%s\" engine=\"%s\" compiled=%s", opened.model().bundle(),
                    opened.model().device(), opened.model().engine(), opened.model().compiled());
            generate(journal);
        } catch (InterruptedException | CancellationException e) {
            LOG.debug("The generator was interrupted", e);
        } catch (DeviceFaultException e) {
            exit.now(e);
        } catch (StartException | StorageException e) {
            end(e.getMessage());
        } catch (RuntimeException | Error e) {
            LOG.error("The generator failed", e);
            end(e.getMessage());
        }
    }

    /** Without its generator the worker is of no use; whoever started it decides what comes next. */
    private static void end(String reason) {
        LOG.fatalf("worker=ending reason=\"%s\"", reason);
        Quarkus.asyncExit(1);
    }

    private void generate(AttemptJournal journal) throws InterruptedException {
        Optional<Batch> next = backlog.take(images.model().largestBatch());
        while (next.isPresent()) {
            attend(next.get(), journal);
            next = backlog.take(images.model().largestBatch());
        }
    }

    /** Whatever escapes releases the claims of the batch, before it ends the generator. */
    private void attend(Batch batch, AttemptJournal journal) {
        batch.jobs().forEach(job -> held.add(job.claim()));
        try {
            Batch due = due(batch);
            if (due.isEmpty()) {
                return;
            }
            journal.begin(due.jobs().stream().map(AttemptJournal.Entry::of).toList());
            generate(due);
            journal.end();
        } catch (CancellationException e) {
            // Given up in peace: none of these requests is to blame
            journal.end();
            release("the worker stops");
            throw e;
        } catch (RuntimeException | Error e) {
            release("the generator failed");
            throw e;
        }
    }

    private void release(String why) {
        held.forEach(claim -> claim.release(why));
        held.clear();
    }

    /** From here on the claim is in the hands of others, whatever comes of it. */
    private void handOn(Job job, Consumer<Job> to) {
        held.remove(job.claim());
        to.accept(job);
    }

    /** Those that are still to be generated. */
    private Batch due(Batch batch) {
        List<Job> due = new ArrayList<>();
        for (Job job : batch.jobs()) {
            if (cancelled(job)) {
                handOn(job, delivery::cancel);
            } else if (job.expired()) {
                handOn(job, delivery::expire);
            } else {
                due.add(job);
            }
        }
        return new Batch(batch.parameters(), List.copyOf(due));
    }

    private boolean cancelled(Job job) {
        return cancellations.contains(job.request().requestId());
    }

    private void giveUp(Batch batch) {
        LOG.infof("batch=given-up requests=%d", batch.jobs().size());
        for (Job job : batch.jobs()) {
            if (cancelled(job)) {
                handOn(job, delivery::cancel);
            } else {
                handOn(job, lost -> lost.claim().release("another worker has its partition"));
            }
        }
    }

    private void generate(Batch batch) {
        Instant start = Instant.now();
        GenerationResult result;
        try {
            result = timed(batch, start);
        } catch (GivenUpException e) {
            giveUp(batch);
            return;
        } catch (DeviceFaultException | CancellationException e) {
            throw e;
        } catch (UnsupportedParametersException e) {
            fail(batch, FailureReason.UNSUPPORTED_PARAMETERS, Optional.of(e.field()), e);
            return;
        } catch (DeviceMemoryException e) {
            fail(batch, FailureReason.OUT_OF_MEMORY, Optional.empty(), e);
            return;
        } catch (RuntimeException e) {
            failOrSplit(batch, e);
            return;
        }
        deliver(batch, result, start);
    }

    private void deliver(Batch batch, GenerationResult result, Instant start) {
        result.adapterSwitch().ifPresent(metrics::adapterSwitch);
        metrics.stage("text_encoding", result.textEncoding());
        result.sourceEncoding().ifPresent(took -> metrics.stage("source_encoding", took));
        metrics.stage("denoising", result.denoising());
        metrics.stage("decoding", result.decoding());
        result.safetyCheck().ifPresent(took -> metrics.stage("safety_check", took));
        cost.generated(batch);
        ModelDescription model = images.model();
        int first = 0;
        for (Job job : batch.jobs()) {
            List<GeneratedImage> its = result.images().subList(first, first + job.images());
            first += job.images();
            handOn(job, next -> delivery.deliver(next, batch.parameters(), model, its, result, start));
        }
    }

    private GenerationResult timed(Batch batch, Instant start) {
        busySince = start;
        lastStep = start;
        try {
            StepListener reports = progress.of(batch);
            GenerationResult result = images.generate(batch.parameters(), batch.prompts(), (step, total) -> {
                lastStep = Instant.now();
                if (batch.jobs().stream().allMatch(job -> job.claim().lost() || cancelled(job))) {
                    throw new GivenUpException();
                }
                reports.onStep(step, total);
            });
            result.memory().ifPresent(metrics::memory);
            return result;
        } finally {
            busySince = null;
            lastStep = null;
            Duration took = Duration.between(start, Instant.now());
            metrics.batch(batch.prompts().size(), took);
            cost.generating(batch, took);
        }
    }

    /** One request's failure must not become that of those that happened to share its batch. */
    private void failOrSplit(Batch batch, RuntimeException failure) {
        if (batch.jobs().size() == 1) {
            fail(batch, FailureReason.GENERATION_FAILED, Optional.empty(), failure);
        } else {
            LOG.warnf(failure, "batch=failed requests=%d then=\"one by one\"", batch.jobs().size());
            batch.jobs().forEach(job -> generate(new Batch(batch.parameters(), List.of(job))));
        }
    }

    private void fail(Batch batch, FailureReason reason, Optional<String> field, RuntimeException failure) {
        // Only what nobody foresaw is worth a stack trace
        LOG.errorf(reason == FailureReason.GENERATION_FAILED ? failure : null,
                "generation=failed reason=%s requests=%d message=\"%s\"", reason, batch.jobs().size(), failure.getMessage());
        batch.jobs().forEach(job ->
                handOn(job, next -> delivery.fail(next, reason, field, failure.getMessage())));
    }

    @PreDestroy
    public void stop() {
        backlog.close();
        thread.interrupt();
        ImageGenerator opened = images;
        if (opened != null) {
            opened.close();
        }
    }
}
