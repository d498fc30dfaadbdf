package dev.darkroom.worker.claim;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.WorkerThreads;
import io.smallrye.reactive.messaging.kafka.KafkaClientService;
import io.smallrye.reactive.messaging.kafka.KafkaConsumer;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.jboss.logging.Logger;

/**
 * Commits what the claims are done with, every second on the polling thread of each lane. An offset that could not be
 * committed is tried again with the next; delivered again, its requests are answered from the store.
 */
@ApplicationScoped
public class OffsetCommits {

    private static final Logger LOG = Logger.getLogger(OffsetCommits.class);
    private static final long INTERVAL_MS = 1_000;

    private final Claims claims;
    private final KafkaClientService kafka;
    private final List<LaneCommits> lanes;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(WorkerThreads.named("offset-commits"));

    OffsetCommits(DarkroomConfig config, Claims claims, KafkaClientService kafka) {
        this.claims = claims;
        this.kafka = kafka;
        this.lanes = Stream.of(Lane.values()).map(lane -> new LaneCommits(lane, lane.topic(config.topics()))).toList();
    }

    /** Starts committing, now and then. */
    public void start() {
        timer.scheduleWithFixedDelay(() -> lanes.forEach(LaneCommits::tryCommit), INTERVAL_MS, INTERVAL_MS,
                TimeUnit.MILLISECONDS);
    }

    /** What is done of one lane, and its consumer, which alone may commit it. */
    private final class LaneCommits {

        private final Lane lane;
        private final String topic;
        private final AtomicBoolean underWay = new AtomicBoolean();

        LaneCommits(Lane lane, String topic) {
            this.lane = lane;
            this.topic = topic;
        }

        private Map<TopicPartition, OffsetAndMetadata> committable() {
            Map<TopicPartition, OffsetAndMetadata> its = new HashMap<>(claims.committable());
            its.keySet().removeIf(partition -> !partition.topic().equals(topic));
            return its;
        }

        /** Null as long as there is none. */
        private KafkaConsumer<byte[], byte[]> consumer() {
            return kafka.getConsumer(lane.channel());
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
            KafkaConsumer<byte[], byte[]> consumer = consumer();
            if (consumer == null || committable().isEmpty() || !underWay.compareAndSet(false, true)) {
                return;
            }
            consumer.runOnPollingThread((Consumer<byte[], byte[]> polled) -> {
                // Taken here: what was revoked in the meantime is none of this consumer's business any more
                Map<TopicPartition, OffsetAndMetadata> done = committable();
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

        /** The last commit, under way; null where there is nothing to commit with. */
        private CompletableFuture<Void> finish(Duration timeout) {
            KafkaConsumer<byte[], byte[]> consumer = consumer();
            return consumer == null ? null : consumer.runOnPollingThread((Consumer<byte[], byte[]> polled) ->
                    polled.commitSync(committable(), timeout)).subscribeAsCompletionStage();
        }
    }

    /** Commits what is done, once and for good, and waits for that no longer than the given time. */
    public void finish(Duration timeout) {
        timer.shutdownNow();
        try {
            CompletableFuture.allOf(lanes.stream().map(lane -> lane.finish(timeout)).filter(Objects::nonNull)
                    .toArray(CompletableFuture[]::new)).get(timeout.plusMillis(500).toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException | RuntimeException e) {
            // Delivered again, these requests are answered from the store
            LOG.warnf("commit=failed offsets=%s reason=\"%s\"", claims.committable(), e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @PreDestroy
    void close() {
        timer.shutdownNow();
    }
}
