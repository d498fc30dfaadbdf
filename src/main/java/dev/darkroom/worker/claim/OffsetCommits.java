package dev.darkroom.worker.claim;

import dev.darkroom.worker.WorkerThreads;
import io.smallrye.reactive.messaging.kafka.KafkaClientService;
import io.smallrye.reactive.messaging.kafka.KafkaConsumer;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.jboss.logging.Logger;

/**
 * Commits what the claims are done with, every second on the polling thread. An offset that could not be committed is
 * tried again with the next; delivered again, its requests are answered from the store.
 */
@ApplicationScoped
public class OffsetCommits {

    private static final Logger LOG = Logger.getLogger(OffsetCommits.class);
    private static final String CHANNEL = "requests";
    private static final long INTERVAL_MS = 1_000;

    private final Claims claims;
    private final KafkaClientService kafka;
    private final AtomicBoolean underWay = new AtomicBoolean();
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(WorkerThreads.named("offset-commits"));

    OffsetCommits(Claims claims, KafkaClientService kafka) {
        this.claims = claims;
        this.kafka = kafka;
    }

    /** Starts committing, now and then. */
    public void start() {
        timer.scheduleWithFixedDelay(this::tryCommit, INTERVAL_MS, INTERVAL_MS, TimeUnit.MILLISECONDS);
    }

    /** What escaped to the timer would be the last that it ran: nothing would be committed any more, with health UP. */
    private void tryCommit() {
        try {
            commit();
        } catch (RuntimeException e) {
            LOG.warnf(e, "commit=failed reason=\"%s\"", e.getMessage());
            underWay.set(false);
        }
    }

    private void commit() {
        KafkaConsumer<byte[], byte[]> consumer = kafka.getConsumer(CHANNEL);
        if (consumer == null || claims.committable().isEmpty() || !underWay.compareAndSet(false, true)) {
            return;
        }
        consumer.runOnPollingThread((Consumer<byte[], byte[]> polled) -> {
            // Taken here: what was revoked in the meantime is none of this consumer's business any more
            Map<TopicPartition, OffsetAndMetadata> done = claims.committable();
            polled.commitAsync(done, (offsets, failure) -> {
                if (failure == null) {
                    claims.committed(offsets);
                } else {
                    LOG.warnf("commit=failed offsets=%s reason=\"%s\"", done, failure.getMessage());
                }
                underWay.set(false);
            });
        }).subscribe().with(
                done -> { },
                failure -> {
                    LOG.warnf("commit=failed reason=\"%s\"", failure.getMessage());
                    underWay.set(false);
                });
    }

    /** Commits what is done, once and for good, and waits for that no longer than the given time. */
    public void finish(Duration timeout) {
        timer.shutdownNow();
        KafkaConsumer<byte[], byte[]> consumer = kafka.getConsumer(CHANNEL);
        if (consumer == null) {
            return;
        }
        try {
            consumer.runOnPollingThread((Consumer<byte[], byte[]> polled) ->
                    polled.commitSync(claims.committable(), timeout)).await().atMost(timeout.plusMillis(500));
        } catch (RuntimeException e) {
            // Delivered again, these requests are answered from the store
            LOG.warnf("commit=failed offsets=%s reason=\"%s\"", claims.committable(), e.getMessage());
        }
    }

    @PreDestroy
    void close() {
        timer.shutdownNow();
    }
}
