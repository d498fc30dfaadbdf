package dev.darkroom.worker.claim;

import dev.darkroom.worker.DarkroomConfig;
import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.KafkaConsumerRebalanceListener;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.jboss.logging.Logger;

/**
 * Hands partitions over: what is being worked on gets some time to end and is committed; what only waits is released,
 * uncommitted, to whoever has the partition next. Runs on the polling thread of the partitions' lane, which holds the
 * rebalance up until it returns.
 */
@Singleton
@Identifier("requests")
public class RebalanceListener implements KafkaConsumerRebalanceListener {

    private static final Logger LOG = Logger.getLogger(RebalanceListener.class);
    private static final Duration COMMIT_TIMEOUT = Duration.ofSeconds(5);

    private final Duration timeout;
    private final Claims claims;
    private volatile boolean left;

    RebalanceListener(DarkroomConfig config, Claims claims) {
        this.timeout = config.flow().drainTimeout();
        this.claims = claims;
    }

    /** The worker has drained: when the consumer closes, there is nothing left to hand over. */
    public void leave() {
        left = true;
    }

    @Override
    public void onPartitionsAssigned(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        claims.assign(partitions);
    }

    @Override
    public void onPartitionsRevoked(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        if (left || partitions.isEmpty()) {
            return;
        }
        // SmallRye reports lost partitions in the same way. Those have another owner by now, which shows in that nothing
        // can be committed, and there is nothing to wait for
        boolean lost = !commit(consumer, claims.done(partitions));
        Map<TopicPartition, OffsetAndMetadata> done = Map.of();
        try {
            done = claims.revoke(partitions, lost ? Duration.ZERO : timeout);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        LOG.infof("partitions=%s count=%d done=%s", lost ? "lost" : "revoked", partitions.size(), done);
        if (!lost) {
            commit(consumer, done);
        }
    }

    /** @return false if the partitions are not the consumer's any more */
    private static boolean commit(Consumer<?, ?> consumer, Map<TopicPartition, OffsetAndMetadata> offsets) {
        try {
            consumer.commitSync(offsets, COMMIT_TIMEOUT);
            return true;
        } catch (CommitFailedException e) {
            return false;
        } catch (KafkaException e) {
            // Delivered again, these requests are answered from the store
            LOG.warnf("commit=failed offsets=%s reason=\"%s\"", offsets, e.getMessage());
            return true;
        }
    }
}
