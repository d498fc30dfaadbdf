package dev.darkroom.worker.generate;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.Progress;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.outcome.Publisher;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import org.jboss.logging.Logger;

/** Says how far the requests of a batch are: that they started, then no more often than configured. */
@ApplicationScoped
class ProgressReports {

    private static final Logger LOG = Logger.getLogger(ProgressReports.class);

    private final DarkroomConfig.Progress config;
    private final Events events;
    private final Publisher publisher;

    ProgressReports(DarkroomConfig config, Events events, Publisher publisher) {
        this.config = config.progress();
        this.events = events;
        this.publisher = publisher;
    }

    /** Reports that the batch starts, and returns the listener of its steps. */
    StepListener of(Batch batch) {
        if (!config.enabled()) {
            return StepListener.NONE;
        }
        int steps = batch.parameters().stepsToRun();
        batch.jobs().forEach(job -> report(job, Progress.started(job.request().requestId(), steps)));
        return new StepListener() {
            private Instant last = Instant.now();

            @Override
            public void onStep(int step, int total) {
                if (!Instant.now().isBefore(last.plus(config.interval()))) {
                    last = Instant.now();
                    batch.jobs().forEach(job ->
                            report(job, Progress.denoising(job.request().requestId(), step, total)));
                }
            }
        };
    }

    private void report(Job job, Progress progress) {
        try {
            publisher.progress(job.claim(), events.of(progress, Instant.now()));
        } catch (RuntimeException e) {
            // Images are worth more than knowing how far they are
            LOG.warnf(e, "progress=failed %s", job.claim());
        }
    }
}
