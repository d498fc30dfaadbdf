package dev.darkroom.worker;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * The records under way, from reception to acknowledgement: how many there may be, and which of a partition are not
 * done yet. Thread-safe.
 */
@ApplicationScoped
class InFlight {

    private final int places;
    private final Map<TopicPartition, Progress> partitions = new HashMap<>();
    private int taken;
    private boolean open;
    private boolean closed;

    @Inject
    InFlight(DarkroomConfig config, MeterRegistry metrics) {
        this(config.flow().inFlight());
        Gauge.builder("darkroom.in.flight", this, InFlight::count)
                .description("Requests under way, from reception to acknowledgement")
                .register(metrics);
    }

    InFlight(int places) {
        this.places = places;
    }

    private static final class Progress {
        /** By offset. A late record of an earlier assignment is told from its redelivery by identity. */
        private final TreeMap<Long, SourceRecord> underWay = new TreeMap<>();
        private long firstAbandoned = Long.MAX_VALUE;
        private long next;

        long committable() {
            long first = underWay.isEmpty() ? next : underWay.firstKey();
            return Math.min(first, firstAbandoned);
        }
    }

    /** Lets records in; until then {@link #enter} waits. */
    synchronized void open() {
        open = true;
        notifyAll();
    }

    /** Lets no further record in. */
    synchronized void close() {
        closed = true;
        notifyAll();
    }

    /**
     * Takes a place, and waits for one where all are taken.
     *
     * @return false if the worker is closing: the record is not taken and stays uncommitted
     */
    synchronized boolean enter(SourceRecord record) throws InterruptedException {
        while (!closed && (!open || taken >= places)) {
            wait();
        }
        if (closed) {
            return false;
        }
        taken++;
        Progress progress = partitions.computeIfAbsent(record.partition(), partition -> new Progress());
        progress.underWay.put(record.offset(), record);
        progress.next = Math.max(progress.next, record.offset() + 1);
        return true;
    }

    /** Acknowledges a record whose outcome is safe, and frees its place. */
    void done(SourceRecord record) {
        record.acknowledge();
        leave(record);
    }

    /** Frees a record's place without acknowledging it. Its partition's offset stays before it. */
    synchronized void abandon(SourceRecord record) {
        Progress progress = leave(record);
        if (progress != null) {
            progress.firstAbandoned = Math.min(progress.firstAbandoned, record.offset());
        }
    }

    private synchronized Progress leave(SourceRecord record) {
        taken--;
        notifyAll();
        Progress progress = partitions.get(record.partition());
        return progress != null && progress.underWay.remove(record.offset(), record) ? progress : null;
    }

    synchronized int count() {
        return taken;
    }

    /** Waits until nothing is under way any more, or the time is up. */
    synchronized boolean awaitEmpty(Duration timeout) throws InterruptedException {
        return await(timeout, () -> taken == 0);
    }

    /** Waits until nothing of these partitions is under way any more, or the time is up. */
    synchronized boolean awaitEmpty(Collection<TopicPartition> revoked, Duration timeout) throws InterruptedException {
        return await(timeout, () -> revoked.stream()
                .map(partitions::get)
                .allMatch(progress -> progress == null || progress.underWay.isEmpty()));
    }

    private boolean await(Duration timeout, BooleanSupplier condition) throws InterruptedException {
        Instant end = Instant.now().plus(timeout);
        while (!condition.getAsBoolean()) {
            long left = Duration.between(Instant.now(), end).toMillis();
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }

    /** Forgets these partitions and tells up to where each of them is done. */
    synchronized Map<TopicPartition, OffsetAndMetadata> forget(Collection<TopicPartition> revoked) {
        Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>();
        for (TopicPartition partition : revoked) {
            Progress progress = partitions.remove(partition);
            if (progress != null) {
                done.put(partition, new OffsetAndMetadata(progress.committable()));
            }
        }
        return done;
    }
}
