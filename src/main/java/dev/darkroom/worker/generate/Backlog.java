package dev.darkroom.worker.generate;

import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.claim.Job;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The jobs that wait to be generated, oldest first, and how they are put together into batches. Their claims are parked
 * here; one that is released meanwhile is passed over. Thread-safe; one thread takes.
 */
@ApplicationScoped
public class Backlog {

    private final long lingerNanos;
    private final Deque<Waiting> waiting = new ArrayDeque<>();
    private boolean closed;

    private record Waiting(Job job, GenerationParameters parameters) {

        boolean fits(Waiting other) {
            return !job.suspect() && !other.job.suspect() && parameters.equals(other.parameters);
        }

        boolean released() {
            return !job.claim().parked();
        }
    }

    @Inject
    Backlog(DarkroomConfig config, MeterRegistry metrics) {
        this(config.flow().linger());
        Gauge.builder("darkroom.backlog", this, Backlog::size)
                .description("Requests that wait to be generated")
                .register(metrics);
    }

    /** @param linger how long a lone job waits for others */
    public Backlog(Duration linger) {
        this.lingerNanos = linger.toNanos();
    }

    /** Adds a job and parks its claim. */
    public synchronized void add(Job job, GenerationParameters parameters) {
        if (job.claim().park()) {
            waiting.add(new Waiting(job, parameters));
            notifyAll();
        }
    }

    /**
     * Takes the oldest job and those that fit into one batch with it, their claims resumed. The oldest leads whatever its
     * parameters, so that no job starves; one that finds no company waits for it no longer than the linger time.
     *
     * @param largestBatch most images in a batch; a single job may exceed it
     * @return empty if the backlog is closed
     */
    synchronized Optional<Batch> take(int largestBatch) throws InterruptedException {
        while (!closed) {
            waiting.removeIf(Waiting::released);
            if (waiting.isEmpty()) {
                wait();
            } else {
                linger(largestBatch);
                Optional<Batch> batch = closed ? Optional.empty() : gather(largestBatch);
                if (batch.isPresent()) {
                    return batch;
                }
            }
        }
        return Optional.empty();
    }

    private void linger(int largestBatch) throws InterruptedException {
        long end = System.nanoTime() + lingerNanos;
        long left = lingerNanos;
        while (left > 0 && !closed && !full(largestBatch)) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
            left = end - System.nanoTime();
        }
    }

    private boolean full(int largestBatch) {
        Waiting oldest = waiting.peek();
        return oldest.job.suspect()
                || waiting.stream().filter(oldest::fits).mapToInt(other -> other.job.images()).sum() >= largestBatch;
    }

    private Optional<Batch> gather(int largestBatch) {
        Waiting oldest = waiting.poll();
        while (oldest != null && !oldest.job.claim().resume()) {
            oldest = waiting.poll();
        }
        if (oldest == null) {
            return Optional.empty();
        }
        List<Job> jobs = new ArrayList<>(List.of(oldest.job));
        int images = oldest.job.images();
        for (Iterator<Waiting> others = waiting.iterator(); others.hasNext();) {
            Waiting other = others.next();
            if (oldest.fits(other) && images + other.job.images() <= largestBatch) {
                others.remove();
                if (other.job.claim().resume()) {
                    jobs.add(other.job);
                    images += other.job.images();
                }
            }
        }
        return Optional.of(new Batch(oldest.parameters, List.copyOf(jobs)));
    }

    /** Those that wait now, oldest first. */
    public synchronized List<Job> waiting() {
        return waiting.stream().filter(entry -> !entry.released()).map(Waiting::job).toList();
    }

    /** Ends {@link #take}. */
    synchronized void close() {
        closed = true;
        notifyAll();
    }

    synchronized int size() {
        return (int) waiting.stream().filter(entry -> !entry.released()).count();
    }
}
