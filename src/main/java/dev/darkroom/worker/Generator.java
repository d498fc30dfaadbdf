package dev.darkroom.worker;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.worker.store.ImageStore;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.StartupEvent;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import org.jboss.logging.Logger;

/**
 * The one thread that touches the device: loads the model, then takes batch after batch from the backlog and hands the
 * images on to {@link Delivery}. It waits for nothing but work.
 */
@ApplicationScoped
class Generator {

    private static final Logger LOG = Logger.getLogger(Generator.class);

    private final DarkroomConfig config;
    private final GeneratorSource source;
    private final ImageStore store;
    private final Ledger ledger;
    private final Backlog backlog;
    private final Delivery delivery;
    private final InFlight inFlight;
    private final ProgressReports progress;
    private final WorkerMetrics metrics;
    private final ProcessExit exit;
    private final ObjectMapper json;
    private final Thread thread = WorkerThreads.named("generator").newThread(this::run);

    private volatile ImageGenerator images;
    private volatile Instant busySince;
    private volatile Instant lastStep;
    private volatile boolean ready;

    Generator(DarkroomConfig config, GeneratorSource source, ImageStore store, Ledger ledger, Backlog backlog,
            Delivery delivery, InFlight inFlight, ProgressReports progress, WorkerMetrics metrics, ProcessExit exit,
            ObjectMapper json) {
        this.config = config;
        this.source = source;
        this.store = store;
        this.ledger = ledger;
        this.backlog = backlog;
        this.delivery = delivery;
        this.inFlight = inFlight;
        this.progress = progress;
        this.metrics = metrics;
        this.exit = exit;
        this.json = json;
    }

    void start(@Observes StartupEvent event) {
        thread.start();
    }

    /** The generator proper; there once {@link #ready()}. */
    ImageGenerator images() {
        return images;
    }

    /** Whether model and store are open, so that requests are taken. */
    boolean ready() {
        return ready;
    }

    /** Whether the thread lives and, in the middle of a batch, was heard of within the given time. */
    boolean alive(Duration silence) {
        Instant last = lastStep;
        return thread.isAlive() && (last == null || last.plus(silence).isAfter(Instant.now()));
    }

    /** Since when a batch has been generated; empty between batches. */
    Optional<Instant> busySince() {
        return Optional.ofNullable(busySince);
    }

    private void run() {
        try (Journal journal = Journal.open(config.stateDir(), json); ImageGenerator opened = source.open()) {
            images = opened;
            store.open();
            journal.unfinished().forEach(entry -> ledger.countAttempt(entry.requestId(), entry.digest()));
            journal.end();
            ready = true;
            inFlight.open();
            LOG.infof("worker=ready bundle=%s device=\"%s\" engine=\"%s\" compiled=%s", opened.model().bundle(),
                    opened.model().device(), opened.model().engine(), opened.model().compiled());
            generate(journal);
        } catch (InterruptedException | CancellationException e) {
            LOG.debug("The generator was interrupted", e);
        } catch (DeviceFaultException e) {
            exit.now(e);
        } catch (RuntimeException | Error e) {
            // Without its generator the worker is of no use; whoever started it decides what comes next
            LOG.fatalf(e, "worker=ending reason=\"%s\"", e.getMessage());
            Quarkus.asyncExit(1);
        }
    }

    private void generate(Journal journal) throws InterruptedException {
        Optional<Batch> next = backlog.take(images.model().largestBatch());
        while (next.isPresent()) {
            Batch batch = withoutExpired(next.get());
            if (!batch.isEmpty()) {
                journal.begin(batch.jobs().stream().map(job -> Journal.Entry.of(job.request())).toList());
                try {
                    generate(batch);
                } catch (CancellationException e) {
                    // Given up in peace: none of these requests is to blame
                    journal.end();
                    throw e;
                }
                journal.end();
            }
            next = backlog.take(images.model().largestBatch());
        }
    }

    private Batch withoutExpired(Batch batch) {
        var expired = batch.jobs().stream().collect(Collectors.partitioningBy(Job::expired));
        expired.get(true).forEach(delivery::expire);
        return new Batch(batch.parameters(), expired.get(false));
    }

    private void generate(Batch batch) {
        try {
            Instant start = Instant.now();
            delivery.deliver(batch, images.model(), timed(batch, start), start);
        } catch (DeviceFaultException | CancellationException e) {
            throw e;
        } catch (UnsupportedParametersException e) {
            fail(batch, FailureReason.UNSUPPORTED_PARAMETERS, Optional.of(e.field()), e);
        } catch (DeviceMemoryException e) {
            fail(batch, FailureReason.OUT_OF_MEMORY, Optional.empty(), e);
        } catch (RuntimeException e) {
            failOrSplit(batch, e);
        }
    }

    private GenerationResult timed(Batch batch, Instant start) {
        busySince = start;
        lastStep = start;
        try {
            StepListener reports = progress.of(batch);
            GenerationResult result = images.generate(batch.parameters(), batch.prompts(), (step, total) -> {
                lastStep = Instant.now();
                reports.onStep(step, total);
            });
            result.memory().ifPresent(metrics::memory);
            return result;
        } finally {
            busySince = null;
            lastStep = null;
            metrics.batch(batch.prompts().size(), Duration.between(start, Instant.now()));
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
        LOG.errorf(failure, "generation=failed reason=%s requests=%d", reason, batch.jobs().size());
        batch.jobs().forEach(job -> delivery.fail(job, reason, field, failure.getMessage()));
    }

    @PreDestroy
    void stop() {
        backlog.close();
        thread.interrupt();
        ImageGenerator opened = images;
        if (opened != null) {
            opened.close();
        }
    }
}
