package dev.darkroom.worker.claim;

import io.opentelemetry.api.trace.Span;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.jboss.logging.Logger;

/**
 * The worker's claim on one record, from the poll to the commit. Its place among those in flight, its turn among those
 * with the same request id, its span and its part in what is committed all end together, once, in one of three ways:
 * {@link #settle}, {@link #deadLetter} and {@link #release} (with share groups: ACCEPT, REJECT and RELEASE).
 *
 * <p>One thread at a time works on a claim. While none does, the claim {@linkplain #park waits}, and may be released by
 * whoever revokes its partition or ends the worker.
 */
public final class Claim {

    private static final Logger LOG = Logger.getLogger(Claim.class);

    /** A record that is older than this has a wrong timestamp, rather than a backlog of so long before it. */
    private static final Duration OLDEST = Duration.ofDays(30);

    enum State {
        /** A thread works on it. */
        HELD,
        /** No thread works on it. */
        WAITING,
        /** The request has its outcome; the record may be committed. */
        SETTLED,
        /** The record is on the dead-letter topic, and may be committed. */
        DEAD_LETTERED,
        /** The record is left to be delivered again. */
        RELEASED
    }

    private final Claims claims;
    private final Claims.Progress progress;
    private final Lane lane;
    private final ConsumerRecord<byte[], byte[]> record;
    private final TopicPartition partition;
    private final Span span;
    private final Instant received = Instant.now();
    private final AtomicReference<State> state = new AtomicReference<>(State.HELD);
    private volatile boolean revoked;
    private volatile boolean lost;
    private volatile String requestId;

    Claim(Claims claims, Claims.Progress progress, Lane lane, ConsumerRecord<byte[], byte[]> record, Span span) {
        this.claims = claims;
        this.progress = progress;
        this.lane = lane;
        this.record = record;
        this.span = span;
        this.partition = new TopicPartition(record.topic(), record.partition());
    }

    public TopicPartition partition() {
        return partition;
    }

    /** Where the record came from. */
    public Lane lane() {
        return lane;
    }

    public long offset() {
        return record.offset();
    }

    /** The record's place among all requests, as {@code 3-1042} or {@code express-3-1042}. */
    public String place() {
        return (lane == Lane.EXPRESS ? "express-" : "") + partition.partition() + "-" + offset();
    }

    /** The record's key; null if it has none. */
    public byte[] key() {
        return record.key();
    }

    /** The record's value; null for a tombstone. */
    public byte[] value() {
        return record.value();
    }

    public Headers headers() {
        return record.headers();
    }

    /** Says whose record it is, as soon as that is known. */
    public void identify(String id) {
        requestId = id;
    }

    /** The id of the request; null as long as it is not known. */
    String requestId() {
        return requestId;
    }

    /** The request's span in its trace. */
    public Span span() {
        return span;
    }

    /** The record's timestamp in milliseconds since 1970; negative where it has none. */
    public long timestamp() {
        return record.timestamp();
    }

    /** When the record was produced; when it was received, where its timestamp is missing or cannot be right. */
    public Instant produced() {
        Instant timestamp = Instant.ofEpochMilli(record.timestamp());
        return timestamp.isAfter(received) || timestamp.isBefore(received.minus(OLDEST)) ? received : timestamp;
    }

    /**
     * Runs a stage's part of the work. Nothing escapes: what the stage throws goes to its last resort, and if that throws
     * too, or the worker is stopping, the claim is released.
     *
     * @param lastResort ends the claim in the way that fits the stage
     */
    public void attend(Runnable work, Consumer<Throwable> lastResort) {
        try {
            try {
                work.run();
            } catch (CancellationException e) {
                throw e;
            } catch (Throwable e) {
                LOG.errorf(e, "stage=failed %s", this);
                if (state.get() == State.HELD) {
                    lastResort.accept(e);
                }
            }
        } catch (CancellationException e) {
            releaseUnlessEnded("the worker stops");
        } catch (Throwable e) {
            LOG.errorf(e, "claim=given-up %s", this);
            releaseUnlessEnded("it could not be ended: " + e);
        }
    }

    private void releaseUnlessEnded(String why) {
        if (state.compareAndSet(State.HELD, State.RELEASED)) {
            ended(State.RELEASED, "released", why);
        }
    }

    /**
     * Lets go of the claim for a while, with no thread working on it.
     *
     * @return false if the claim was released instead, since its partition was revoked or the worker ends
     */
    public boolean park() {
        if (!state.compareAndSet(State.HELD, State.WAITING)) {
            throw new IllegalStateException("A claim that is " + state + " cannot be parked: " + this);
        }
        return !((revoked || claims.closed()) && releaseWaiting());
    }

    /**
     * Takes a parked claim up again.
     *
     * @return false if it was released meanwhile
     */
    public boolean resume() {
        return state.compareAndSet(State.WAITING, State.HELD);
    }

    /** Whether the claim is parked. */
    public boolean parked() {
        return state.get() == State.WAITING;
    }

    /** Ends it: the request's outcome is published and acknowledged by the broker. */
    public void settle(Settlement settlement) {
        end(State.SETTLED, settlement.outcome(), settlement.reason());
    }

    /** Ends it: the record is on the dead-letter topic, acknowledged by the broker. */
    public void deadLetter(String reason) {
        end(State.DEAD_LETTERED, "dead-lettered", reason);
    }

    /** Ends it without an answer: the record stays uncommitted, and is delivered again, here or elsewhere. */
    public void release(String why) {
        end(State.RELEASED, "released", why);
    }

    private void end(State end, String outcome, String reason) {
        if (!state.compareAndSet(State.HELD, end)) {
            throw new IllegalStateException("A claim that is %s cannot become %s: %s".formatted(state, end, this));
        }
        ended(end, outcome, reason);
    }

    /** Its partition is somebody else's: whoever works on it may see that through, but nobody takes it up any more. */
    void revoke() {
        revoked = true;
        releaseWaiting();
    }

    /** Its partition has another owner by now, who does it anew. */
    void lose() {
        lost = true;
    }

    /** Whether what is not begun yet, or not far, is better left to another worker. */
    public boolean lost() {
        return lost;
    }

    boolean releaseWaiting() {
        boolean released = state.compareAndSet(State.WAITING, State.RELEASED);
        if (released) {
            ended(State.RELEASED, "released", "not begun");
        }
        return released;
    }

    boolean revoked() {
        return revoked;
    }

    Claims.Progress progress() {
        return progress;
    }

    private void ended(State end, String outcome, String reason) {
        claims.ended(this, end, outcome, reason);
    }

    @Override
    public String toString() {
        return (requestId == null ? "" : "id=" + requestId + " ") + "topic=" + partition.topic()
                + " partition=" + partition.partition() + " offset=" + offset();
    }
}
