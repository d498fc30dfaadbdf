package dev.darkroom.worker.outcome;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.KafkaBinding;
import dev.darkroom.worker.Tracing;
import dev.darkroom.worker.claim.Claim;
import dev.darkroom.worker.outcome.KafkaPublisher.RefusedForGoodException;
import io.cloudevents.CloudEvent;
import jakarta.enterprise.context.ApplicationScoped;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Headers;
import org.jboss.logging.Logger;

/** Makes records of events and dead letters, and sends them. Thread-safe. */
@ApplicationScoped
public class Publisher {

    private static final Logger LOG = Logger.getLogger(Publisher.class);
    /** Longest reason in a header, in characters. */
    private static final int LONGEST_REASON = 500;

    private final DarkroomConfig.Topics topics;
    private final Tracing tracing;
    private final KafkaPublisher kafka;

    Publisher(DarkroomConfig config, Tracing tracing, KafkaPublisher kafka) {
        this.topics = config.topics();
        this.tracing = tracing;
        this.kafka = kafka;
    }

    /**
     * Publishes an outcome on the request's key, and returns once the broker has acknowledged it. An outcome that cannot
     * be sent so goes out under the request id, without the trace context.
     *
     * @throws RefusedForGoodException if it cannot be sent even so
     */
    void outcome(Claim claim, CloudEvent event) {
        ProducerRecord<byte[], byte[]> record = KafkaBinding.toRecord(topics.completions(), claim.key(), event);
        tracing.inject(claim.span(), claim.headers(), record.headers());
        try {
            kafka.send(record);
        } catch (RefusedForGoodException e) {
            LOG.warnf("outcome=refused then=\"under the request id\" %s reason=\"%s\"", claim, e.getMessage());
            kafka.send(KafkaBinding.toRecord(topics.completions(), bytes(String.valueOf(event.getSubject())), event));
        }
    }

    /** Says how far a request is, without waiting for anything. */
    public void progress(Claim claim, CloudEvent event) {
        ProducerRecord<byte[], byte[]> record = KafkaBinding.toRecord(topics.progress(), claim.key(), event);
        tracing.inject(claim.span(), claim.headers(), record.headers());
        kafka.sendInBackground(record);
    }

    /**
     * Sends a record to the dead-letter topic, with SmallRye's own header names for the reason and the place that it came
     * from, and returns once the broker has acknowledged it. Of a record that cannot be sent on as it is, value, headers
     * and key give way, in this order and as far as they must; {@code dead-letter-without} names them. They stay where
     * the record came from.
     */
    void deadLetter(Claim claim, String reason) {
        List<String> without = new ArrayList<>();
        for (String next : List.of("value", "headers", "key")) {
            try {
                kafka.send(deadLetter(claim, reason, without));
                return;
            } catch (RefusedForGoodException e) {
                LOG.warnf("dead-letter=refused then=\"without %s\" %s reason=\"%s\"", next, claim, e.getMessage());
                without.add(next);
            }
        }
        // Less than this there is not; where it is refused, somebody has to see to the topic
        kafka.sendWhateverIsSaid(deadLetter(claim, reason, without));
    }

    private ProducerRecord<byte[], byte[]> deadLetter(Claim claim, String reason, List<String> without) {
        String topic = claim.partition().topic();
        String partition = Integer.toString(claim.partition().partition());
        String offset = Long.toString(claim.offset());
        // A key of some kind, since a compacted topic takes no record without
        byte[] key = without.contains("key") ? bytes(topic + "-" + partition + "-" + offset) : claim.key();
        var record = new ProducerRecord<>(topics.deadLetters(), key, without.contains("value") ? null : claim.value());
        if (!without.contains("headers")) {
            claim.headers().forEach(record.headers()::add);
        }
        header(record.headers(), "dead-letter-reason",
                reason.length() > LONGEST_REASON ? reason.substring(0, LONGEST_REASON) + "…" : reason);
        header(record.headers(), "dead-letter-topic", topic);
        header(record.headers(), "dead-letter-partition", partition);
        header(record.headers(), "dead-letter-offset", offset);
        if (!without.isEmpty()) {
            header(record.headers(), "dead-letter-without", String.join(", ", without));
        }
        return record;
    }

    private static void header(Headers headers, String name, String value) {
        headers.remove(name).add(name, bytes(value));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
