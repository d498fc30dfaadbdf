package dev.darkroom.worker;

import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.worker.store.StorageException;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jboss.logging.Logger;

/**
 * Decides what becomes of a record: a job in the backlog, or at once an outcome or a dead letter. Runs on threads of its
 * own, since it asks the object store.
 */
@ApplicationScoped
class Admission {

    private static final Logger LOG = Logger.getLogger(Admission.class);
    private static final int THREADS = 4;

    private final RequestReader reader;
    private final Resolution resolution;
    private final Ledger ledger;
    private final Turns turns;
    private final Backlog backlog;
    private final Conclusion conclusion;
    private final int maxAttempts;
    private final ExecutorService threads = Executors.newFixedThreadPool(THREADS, WorkerThreads.named("admission"));

    Admission(DarkroomConfig config, RequestReader reader, Resolution resolution, Ledger ledger, Turns turns,
            Backlog backlog, Conclusion conclusion) {
        this.reader = reader;
        this.resolution = resolution;
        this.ledger = ledger;
        this.turns = turns;
        this.backlog = backlog;
        this.conclusion = conclusion;
        this.maxAttempts = config.flow().maxAttempts();
    }

    /** Admits a record in the background. */
    void admit(SourceRecord source) {
        inBackground(source, () -> read(source), () -> { });
    }

    private void read(SourceRecord source) {
        ReadResult result = reader.read(source.value(), source.headers());
        if (result instanceof ReadResult.Understood understood) {
            GenerationRequest request = understood.request();
            // A request that is sent twice, or redelivered while it is under way, is answered like its first copy
            turns.take(request.requestId(), () -> inBackground(source,
                    () -> lookUp(source, request),
                    () -> turns.end(request.requestId())));
        } else if (result instanceof ReadResult.Refused refused) {
            conclusion.refuse(source, refused.outcome());
        } else if (result instanceof ReadResult.Undecodable undecodable) {
            conclusion.deadLetter(source, undecodable.message());
        }
    }

    private void lookUp(SourceRecord source, GenerationRequest request) {
        Ledger.Entry entry = ledger.find(request);
        if (entry instanceof Ledger.Concluded concluded) {
            conclusion.replay(new Job(source, request, false), concluded.outcome());
        } else if (entry instanceof Ledger.Taken) {
            conclusion.refuse(source, Conclusion.reused(request));
            turns.end(request.requestId());
        } else if (entry instanceof Ledger.Open open) {
            queue(new Job(source, request, open.attempts() > 0), open.attempts());
        }
    }

    private void queue(Job job, int attempts) {
        if (attempts >= maxAttempts) {
            conclusion.condemn(job, "The worker ended during each of " + attempts + " attempts at this request.");
        } else if (job.expired()) {
            conclusion.expire(job);
        } else {
            try {
                backlog.add(job, resolution.resolve(job.request()));
            } catch (UnsupportedParametersException e) {
                conclusion.fail(job, FailureReason.UNSUPPORTED_PARAMETERS, Optional.of(e.field()), e.getMessage());
            }
        }
    }

    /** What fails for another reason than the store's goes to the dead-letter topic: nothing stops the partition. */
    private void inBackground(SourceRecord source, Runnable work, Runnable afterFailure) {
        threads.execute(() -> Persistence.untilStored(source, () -> {
            try {
                work.run();
            } catch (StorageException e) {
                throw e;
            } catch (RuntimeException e) {
                LOG.errorf(e, "admission=failed %s", source);
                conclusion.deadLetter(source, "The worker failed on this record: " + e);
                afterFailure.run();
            }
        }));
    }

    @PreDestroy
    void close() {
        threads.shutdownNow();
    }
}
