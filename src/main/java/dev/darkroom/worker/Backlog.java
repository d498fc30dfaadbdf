package dev.darkroom.worker;

import dev.darkroom.diffusion.GenerationParameters;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.kafka.common.TopicPartition;

/**
 * The jobs that wait to be generated, oldest first, and how they are put together into batches. Thread-safe; one thread
 * takes.
 */
@ApplicationScoped
class Backlog {

    private final long lingerNanos;
    private final Consumer<Job> abandon;
    private final Deque<Waiting> waiting = new ArrayDeque<>();
    private final Set<TopicPartition> revoked = new HashSet<>();
    private boolean closed;

    private record Waiting(Job job, GenerationParameters parameters) {

        boolean fits(Waiting other) {
            return !job.suspect() && !other.job.suspect() && parameters.equals(other.parameters);
        }
    }

    @Inject
    Backlog(DarkroomConfig config, Conclusion conclusion, MeterRegistry metrics) {
        this(config.flow().linger(), conclusion::abandon);
        Gauge.builder("darkroom.backlog", this, Backlog::size)
                .description("Requests that wait to be generated")
                .register(metrics);
    }

    /** @param abandon what happens to jobs that will not be generated here */
    Backlog(Duration linger, Consumer<Job> abandon) {
        this.lingerNanos = linger.toNanos();
        this.abandon = abandon;
    }

    /** Adds a job, unless its partition was revoked or the worker closes: then it is abandoned. */
    void add(Job job, GenerationParameters parameters) {
        synchronized (this) {
            if (!closed && !revoked.contains(job.source().partition())) {
                waiting.add(new Waiting(job, parameters));
                notifyAll();
                return;
            }
        }
        abandon.accept(job);
    }

    /**
     * Takes the oldest job and those that fit into one batch with it. The oldest leads whatever its parameters, so that
     * no job starves; one that finds no company waits for it no longer than the linger time.
     *
     * @param largestBatch most images in a batch; a single job may exceed it
     * @return empty if the backlog is closed
     */
    synchronized Optional<Batch> take(int largestBatch) throws InterruptedException {
        while (!closed) {
            if (waiting.isEmpty()) {
                wait();
            } else {
                linger(largestBatch);
                if (!closed && !waiting.isEmpty()) {
                    return Optional.of(gather(largestBatch));
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
        return oldest == null || oldest.job.suspect()
                || waiting.stream().filter(oldest::fits).mapToInt(other -> other.job.images()).sum() >= largestBatch;
    }

    private Batch gather(int largestBatch) {
        Waiting oldest = waiting.remove();
        List<Job> jobs = new ArrayList<>(List.of(oldest.job));
        int images = oldest.job.images();
        for (Iterator<Waiting> others = waiting.iterator(); others.hasNext();) {
            Waiting other = others.next();
            if (oldest.fits(other) && images + other.job.images() <= largestBatch) {
                jobs.add(other.job);
                images += other.job.images();
                others.remove();
            }
        }
        return new Batch(oldest.parameters, List.copyOf(jobs));
    }

    /** Abandons what waits of these partitions, and what is still to come of them until they are assigned again. */
    void revoke(Collection<TopicPartition> partitions) {
        abandon(() -> {
            revoked.addAll(partitions);
            List<Waiting> lost = waiting.stream()
                    .filter(entry -> partitions.contains(entry.job.source().partition()))
                    .toList();
            waiting.removeAll(lost);
            return lost;
        });
    }

    synchronized void assign(Collection<TopicPartition> partitions) {
        revoked.removeAll(partitions);
    }

    /** Abandons what waits, and ends {@link #take}. */
    void close() {
        abandon(() -> {
            closed = true;
            notifyAll();
            List<Waiting> lost = List.copyOf(waiting);
            waiting.clear();
            return lost;
        });
    }

    private void abandon(Supplier<List<Waiting>> removal) {
        List<Waiting> lost;
        synchronized (this) {
            lost = removal.get();
        }
        lost.forEach(entry -> abandon.accept(entry.job));
    }

    synchronized int size() {
        return waiting.size();
    }
}
