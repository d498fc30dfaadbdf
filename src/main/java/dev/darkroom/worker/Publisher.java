package dev.darkroom.worker;

import dev.darkroom.contract.Events;
import io.cloudevents.CloudEvent;
import io.smallrye.mutiny.Uni;
import io.smallrye.reactive.messaging.MutinyEmitter;
import jakarta.enterprise.context.ApplicationScoped;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.eclipse.microprofile.reactive.messaging.Channel;
import org.eclipse.microprofile.reactive.messaging.OnOverflow;
import org.jboss.logging.Logger;

/** Sends events and dead letters. Thread-safe. */
@ApplicationScoped
class Publisher {

    private static final Logger LOG = Logger.getLogger(Publisher.class);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(200);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(20);

    private final DarkroomConfig.Topics topics;
    private final Tracing tracing;
    private final MutinyEmitter<ProducerRecord<byte[], byte[]>> completions;
    private final MutinyEmitter<ProducerRecord<byte[], byte[]>> deadLetters;
    private final MutinyEmitter<ProducerRecord<byte[], byte[]>> progress;

    // Outcomes and dead letters are as many as there are requests under way at most; progress may be lost
    Publisher(DarkroomConfig config, Tracing tracing,
            @Channel("completions") @OnOverflow(OnOverflow.Strategy.UNBOUNDED_BUFFER)
            MutinyEmitter<ProducerRecord<byte[], byte[]>> completions,
            @Channel("dead-letters") @OnOverflow(OnOverflow.Strategy.UNBOUNDED_BUFFER)
            MutinyEmitter<ProducerRecord<byte[], byte[]>> deadLetters,
            @Channel("progress") @OnOverflow(OnOverflow.Strategy.DROP)
            MutinyEmitter<ProducerRecord<byte[], byte[]>> progress) {
        this.topics = config.topics();
        this.tracing = tracing;
        this.completions = completions;
        this.deadLetters = deadLetters;
        this.progress = progress;
    }

    /** Publishes an outcome on the request's key, and returns once the broker has acknowledged it, however long it takes. */
    void outcome(SourceRecord source, CloudEvent event) {
        ProducerRecord<byte[], byte[]> record = Events.toRecord(topics.completions(), source.key(), event);
        tracing.inject(source, record.headers());
        untilAcknowledged(source, completions, record);
    }

    /** Tells how far a request is, without waiting for anything. */
    void progress(SourceRecord source, CloudEvent event) {
        ProducerRecord<byte[], byte[]> record = Events.toRecord(topics.progress(), source.key(), event);
        tracing.inject(source, record.headers());
        progress.send(record).subscribe().with(
                sent -> { },
                failure -> LOG.debugf("progress=lost %s reason=\"%s\"", source, failure.getMessage()));
    }

    /**
     * Sends a record as it is to the dead-letter topic, with SmallRye's own header names for the reason and the place
     * that it came from, and returns once the broker has acknowledged it. A record too large to be sent on goes without
     * its value, which stays where it came from.
     */
    void deadLetter(SourceRecord source, String reason) {
        try {
            untilAcknowledged(source, deadLetters, deadLetter(source, source.value(), reason));
        } catch (RecordTooLargeException e) {
            untilAcknowledged(source, deadLetters, deadLetter(source, null, reason + " (too large to be sent on)"));
        }
    }

    private ProducerRecord<byte[], byte[]> deadLetter(SourceRecord source, byte[] value, String reason) {
        var record = new ProducerRecord<>(topics.deadLetters(), source.key(), value);
        source.headers().forEach(record.headers()::add);
        header(record, "dead-letter-reason", reason);
        header(record, "dead-letter-topic", source.partition().topic());
        header(record, "dead-letter-partition", Integer.toString(source.partition().partition()));
        header(record, "dead-letter-offset", Long.toString(source.offset()));
        return record;
    }

    private static void header(ProducerRecord<byte[], byte[]> record, String name, String value) {
        record.headers().remove(name).add(name, value.getBytes(StandardCharsets.UTF_8));
    }

    private static void untilAcknowledged(SourceRecord source,
            MutinyEmitter<ProducerRecord<byte[], byte[]>> emitter, ProducerRecord<byte[], byte[]> record) {
        Uni.createFrom().deferred(() -> emitter.send(record))
                .onFailure().invoke(failure -> LOG.warnf(
                        "publish=failed topic=%s %s reason=\"%s\"", record.topic(), source, failure.getMessage()))
                .onFailure(failure -> !(failure instanceof RecordTooLargeException))
                .retry().withBackOff(FIRST_PAUSE, LONGEST_PAUSE).indefinitely()
                .await().indefinitely();
    }
}
