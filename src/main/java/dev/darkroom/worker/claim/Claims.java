package dev.darkroom.worker.claim;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.Tracing;
import dev.darkroom.worker.WorkerMetrics;
import dev.darkroom.worker.claim.Claim.State;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.jboss.logging.Logger;

/**
 * The records that the worker has claimed: how many there may be, whose turn it is among those of one request id, and up
 * to where each partition is done. Thread-safe.
 */
@ApplicationScoped
public class Claims {

    private static final Logger LOG = Logger.getLogger(Claims.class);

    private final int places;
    private final WorkerMetrics metrics;
    private final Tracing tracing;
    private final Map<TopicPartition, Progress> assigned = new HashMap<>();
    private final Map<String, Turn> turns = new HashMap<>();
    /** Places that are taken, of each lane's own: a lane that is full keeps the other one from nothing. */
    private final Map<Lane, Integer> taken = new EnumMap<>(Lane.class);
    private boolean open;
    private boolean closed;
    private Instant moved = Instant.now();

    @Inject
    Claims(DarkroomConfig config, WorkerMetrics metrics, Tracing tracing, MeterRegistry registry) {
        this(config.flow().inFlight(), metrics, tracing);
        WorkerMetrics.gauge(registry, "darkroom.in.flight", "Requests under way, from reception to acknowledgement", this,
                Claims::count);
    }

    /** @param places how many claims there may be at once in a lane */
    public Claims(int places, WorkerMetrics metrics, Tracing tracing) {
        this.places = places;
        this.metrics = metrics;
        this.tracing = tracing;
        Stream.of(Lane.values()).forEach(lane -> taken.put(lane, 0));
    }

    /** How far one partition is, for as long as it is assigned. Guarded by the claims. */
    static final class Progress {
        private final TreeMap<Long, Claim> underWay = new TreeMap<>();
        private long firstReleased = Long.MAX_VALUE;
        private long next = -1;
        private long committed = -1;
        private int givenUp;

        /** The offset to go on from; -1 if nothing is done yet. */
        long committable() {
            long first = underWay.isEmpty() ? next : underWay.firstKey();
            return Math.min(first, firstReleased);
        }
    }

    /** Those with one request id: who has the turn, and who waits for it. */
    private static final class Turn {
        private final Claim holder;
        private final Queue<Waiting> behind;

        Turn(Claim holder, Queue<Waiting> behind) {
            this.holder = holder;
            this.behind = behind;
        }
    }

    private record Waiting(Claim claim, Runnable turn) {
    }

    /** Lets records in; until then {@link #claim} waits. */
    public synchronized void open() {
        open = true;
        notifyAll();
    }

    /** Lets no further record in, and releases those that nobody works on. */
    public void close() {
        List<Claim> all = new ArrayList<>();
        synchronized (this) {
            closed = true;
            notifyAll();
            assigned.values().forEach(progress -> all.addAll(progress.underWay.values()));
        }
        all.forEach(Claim::releaseWaiting);
    }

    synchronized boolean closed() {
        return closed;
    }

    /** These partitions are the worker's now. */
    public synchronized void assign(Collection<TopicPartition> partitions) {
        moved = Instant.now();
        partitions.forEach(partition -> assigned.putIfAbsent(partition, new Progress()));
    }

    /** Whether the group handed partitions out a short while ago, so that another worker may have what is claimed here. */
    public synchronized boolean movedWithin(Duration time) {
        return Instant.now().isBefore(moved.plus(time));
    }

    /** What came of asking for a claim. */
    public sealed interface Answer {
    }

    /** The record is the worker's to answer. */
    public record Claimed(Claim claim) implements Answer {
    }

    /** The record's partition was revoked while it waited for a place. */
    public record NotAssigned() implements Answer {
    }

    /** The worker ends. */
    public record Closed() implements Answer {
    }

    /** Claims a record, as soon as there is a place in its lane. */
    public synchronized Answer claim(Lane lane, ConsumerRecord<byte[], byte[]> record) throws InterruptedException {
        TopicPartition partition = new TopicPartition(record.topic(), record.partition());
        while (!closed && (!open || taken.get(lane) >= places)) {
            wait();
        }
        if (closed) {
            return new Closed();
        }
        Progress progress = assigned.get(partition);
        if (progress == null) {
            return new NotAssigned();
        }
        Claim claim = new Claim(this, progress, lane, record, tracing.start(record));
        taken.merge(lane, 1, Integer::sum);
        progress.underWay.put(claim.offset(), claim);
        progress.next = Math.max(progress.next, claim.offset() + 1);
        return new Claimed(claim);
    }

    /**
     * Takes an identified claim's turn among those of the same request id, in the order in which they come: a copy of a
     * request waits until the first has its outcome.
     *
     * @param later what is run when the turn comes, unless it has come already; it must not block
     * @return whether the turn has come already. If not, the claim is parked, and resumed for {@code later}
     */
    public synchronized boolean takeTurn(Claim claim, Runnable later) {
        Turn turn = turns.get(claim.requestId());
        if (turn == null) {
            turns.put(claim.requestId(), new Turn(claim, new ArrayDeque<>()));
            return true;
        }
        if (claim.park()) {
            turn.behind.add(new Waiting(claim, later));
        }
        return false;
    }

    /** The end of a claim: everything that it had is given back at once. */
    void ended(Claim claim, State end, String outcome, String reason) {
        Runnable next;
        synchronized (this) {
            taken.merge(claim.lane(), -1, Integer::sum);
            Progress progress = claim.progress();
            progress.underWay.remove(claim.offset(), claim);
            if (end == State.RELEASED) {
                progress.firstReleased = Math.min(progress.firstReleased, claim.offset());
                progress.givenUp++;
            }
            notifyAll();
            next = passOn(claim);
        }
        try {
            report(claim, end, outcome, reason);
        } catch (RuntimeException e) {
            LOG.errorf(e, "The end of a claim could not be reported: %s", claim);
        }
        if (next != null) {
            next.run();
        }
    }

    private void report(Claim claim, State end, String outcome, String reason) {
        LOG.infof("request=%s %s%s", outcome, claim, reason.isEmpty() ? "" : " reason=\"" + reason + "\"");
        if (end != State.RELEASED) {
            metrics.outcome(claim.lane().toString(), outcome, end == State.DEAD_LETTERED ? "" : reason);
        }
        tracing.end(claim.span(), outcome, end == State.DEAD_LETTERED || "failed".equals(outcome));
    }

    private Runnable passOn(Claim claim) {
        Turn turn = turns.get(claim.requestId());
        if (turn == null || turn.holder != claim) {
            return null;
        }
        for (Waiting next = turn.behind.poll(); next != null; next = turn.behind.poll()) {
            if (next.claim.resume()) {
                turns.put(claim.requestId(), new Turn(next.claim, turn.behind));
                return next.turn;
            }
        }
        turns.remove(claim.requestId());
        return null;
    }

    /** How many claims there are. */
    public synchronized int count() {
        return taken.values().stream().mapToInt(Integer::intValue).sum();
    }

    /** What keeps offsets from being committed until a restart, a sentence; empty where nothing does. */
    public synchronized Optional<String> givenUp() {
        int givenUp = closed ? 0 : assigned.values().stream().mapToInt(progress -> progress.givenUp).sum();
        return givenUp == 0 ? Optional.empty() : Optional.of((givenUp == 1 ? "A record" : givenUp + " records")
                + " could neither be answered nor dead-lettered; a restart brings what is missing.");
    }

    /** Waits until there is no claim any more, or the time is up. */
    public synchronized boolean awaitNone(Duration timeout) throws InterruptedException {
        return await(timeout, () -> count() == 0);
    }

    /**
     * These partitions are somebody else's from now on: what waits is released, and nothing more is claimed of them. What
     * is being worked on gets some time to end.
     *
     * @return up to where each of them is done, if that is not committed yet
     */
    public Map<TopicPartition, OffsetAndMetadata> revoke(Collection<TopicPartition> partitions, Duration timeout)
            throws InterruptedException {
        Map<TopicPartition, Progress> revoked = new HashMap<>();
        List<Claim> all = new ArrayList<>();
        synchronized (this) {
            for (TopicPartition partition : partitions) {
                Progress progress = assigned.remove(partition);
                if (progress != null) {
                    revoked.put(partition, progress);
                    all.addAll(progress.underWay.values());
                }
            }
            notifyAll();
        }
        all.forEach(Claim::revoke);
        synchronized (this) {
            await(timeout, () -> revoked.values().stream().allMatch(progress -> progress.underWay.isEmpty()));
            revoked.values().forEach(progress -> progress.underWay.values().forEach(Claim::lose));
            return committable(revoked);
        }
    }

    /** Up to where each partition is done, where that is not committed yet. */
    public synchronized Map<TopicPartition, OffsetAndMetadata> committable() {
        return committable(assigned);
    }

    private static Map<TopicPartition, OffsetAndMetadata> committable(Map<TopicPartition, Progress> partitions) {
        Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>();
        partitions.forEach((partition, progress) -> {
            if (progress.committable() > progress.committed && progress.committable() >= 0) {
                done.put(partition, new OffsetAndMetadata(progress.committable()));
            }
        });
        return done;
    }

    /** Up to where each of these partitions is done, be that committed or not. */
    synchronized Map<TopicPartition, OffsetAndMetadata> done(Collection<TopicPartition> partitions) {
        Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>();
        for (TopicPartition partition : partitions) {
            Progress progress = assigned.get(partition);
            if (progress != null && progress.committable() >= 0) {
                done.put(partition, new OffsetAndMetadata(progress.committable()));
            }
        }
        return done;
    }

    /** These offsets are committed. */
    public synchronized void committed(Map<TopicPartition, OffsetAndMetadata> offsets) {
        offsets.forEach((partition, offset) -> {
            Progress progress = assigned.get(partition);
            if (progress != null) {
                progress.committed = Math.max(progress.committed, offset.offset());
            }
        });
    }

    private boolean await(Duration timeout, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + timeout.toNanos();
        while (!condition.getAsBoolean()) {
            long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }
}
