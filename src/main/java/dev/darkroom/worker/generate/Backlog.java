package dev.darkroom.worker.generate;

import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.WorkerMetrics;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.claim.Lane;
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
import java.util.stream.Stream;

/**
 * The jobs that wait to be generated, those of each lane oldest first, and how they are put together into batches. Their
 * claims are parked here; one that is released meanwhile is passed over. Thread-safe; one thread takes.
 */
@ApplicationScoped
public class Backlog {

    private final long lingerNanos;
    private final double expressShare;
    private final Deque<Waiting> ordinary = new ArrayDeque<>();
    private final Deque<Waiting> express = new ArrayDeque<>();
    /** In batches, how much ordinary jobs have fallen behind their share since both lanes wait. */
    private double owed;
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
        this(config.flow().linger(), config.flow().expressShare());
        WorkerMetrics.gauge(metrics, "darkroom.backlog", "Requests that wait to be generated", this, Backlog::size);
    }

    /**
     * @param linger how long a lone job waits for others
     * @param expressShare share of the batches that an express job leads while others wait too
     */
    public Backlog(Duration linger, double expressShare) {
        this.lingerNanos = linger.toNanos();
        this.expressShare = expressShare;
    }

    /** Adds a job and parks its claim. */
    public synchronized void add(Job job, GenerationParameters parameters) {
        if (job.claim().park()) {
            (job.claim().lane() == Lane.EXPRESS ? express : ordinary).add(new Waiting(job, parameters));
            notifyAll();
        }
    }

    /**
     * Takes the oldest job of the lane whose turn it is and those that fit into one batch with it, its own lane's first,
     * their claims resumed. The oldest leads whatever its parameters, so that no job starves; one that finds no company
     * waits for it no longer than the linger time.
     *
     * @param largestBatch most images in a batch; a single job may exceed it
     * @return empty if the backlog is closed
     */
    synchronized Optional<Batch> take(int largestBatch) throws InterruptedException {
        while (!closed) {
            express.removeIf(Waiting::released);
            ordinary.removeIf(Waiting::released);
            if (express.isEmpty() && ordinary.isEmpty()) {
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

    /** Whether the next batch is an express job's to lead: unless only others wait, or it is their turn. */
    private boolean expressLeads() {
        return !express.isEmpty() && (ordinary.isEmpty() || owed < expressShare);
    }

    private boolean full(int largestBatch) {
        Waiting oldest = (expressLeads() ? express : ordinary).peek();
        return oldest.job.suspect() || Stream.concat(express.stream(), ordinary.stream()).filter(oldest::fits)
                .mapToInt(other -> other.job.images()).sum() >= largestBatch;
    }

    private Optional<Batch> gather(int largestBatch) {
        boolean expressLeads = expressLeads();
        if (express.isEmpty() || ordinary.isEmpty()) {
            owed = 0;
        } else {
            owed += expressLeads ? 1 - expressShare : -expressShare;
        }
        return expressLeads ? gather(express, ordinary, largestBatch) : gather(ordinary, express, largestBatch);
    }

    private static Optional<Batch> gather(Deque<Waiting> first, Deque<Waiting> second, int largestBatch) {
        Waiting oldest = first.poll();
        while (oldest != null && !oldest.job.claim().resume()) {
            oldest = first.poll();
        }
        if (oldest == null) {
            return Optional.empty();
        }
        List<Job> jobs = new ArrayList<>(List.of(oldest.job));
        int images = oldest.job.images();
        for (Deque<Waiting> lane : List.of(first, second)) {
            for (Iterator<Waiting> others = lane.iterator(); others.hasNext();) {
                Waiting other = others.next();
                if (oldest.fits(other) && images + other.job.images() <= largestBatch) {
                    others.remove();
                    if (other.job.claim().resume()) {
                        jobs.add(other.job);
                        images += other.job.images();
                    }
                }
            }
        }
        return Optional.of(new Batch(oldest.parameters, List.copyOf(jobs)));
    }

    /** Those that wait now, express ones first, the oldest of a lane first. */
    public synchronized List<Job> waiting() {
        return Stream.concat(express.stream(), ordinary.stream()).filter(entry -> !entry.released()).map(Waiting::job).toList();
    }

    /** Ends {@link #take}. */
    synchronized void close() {
        closed = true;
        notifyAll();
    }

    synchronized int size() {
        return waiting().size();
    }
}
