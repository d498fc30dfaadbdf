package dev.darkroom.worker;

import io.quarkus.runtime.ShutdownEvent;
import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.KafkaConsumerRebalanceListener;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.jboss.logging.Logger;

/**
 * Leaves in peace: what is being generated or delivered gets some time to end and is committed; what only waits is
 * abandoned, uncommitted, to whoever has the partition next.
 */
@Singleton
@Identifier("requests")
class Drain implements KafkaConsumerRebalanceListener {

    private static final Logger LOG = Logger.getLogger(Drain.class);

    private final Duration timeout;
    private final InFlight inFlight;
    private final Backlog backlog;
    private volatile boolean left;

    Drain(DarkroomConfig config, InFlight inFlight, Backlog backlog) {
        this.timeout = config.flow().drainTimeout();
        this.inFlight = inFlight;
        this.backlog = backlog;
    }

    /** Runs before the connectors are closed, so that outcomes can still be published and offsets committed. */
    void onShutdown(@Observes ShutdownEvent event) throws InterruptedException {
        inFlight.close();
        backlog.close();
        boolean drained = inFlight.awaitEmpty(timeout);
        left = true;
        LOG.infof("worker=drained complete=%s abandoned=%d", drained, inFlight.count());
    }

    @Override
    public void onPartitionsAssigned(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        backlog.assign(partitions);
    }

    /**
     * Runs on the polling thread, which holds the rebalance up until it returns. SmallRye has committed and forgotten
     * these partitions by then and ignores later acknowledgements, so what ends in the meantime is committed here.
     */
    @Override
    public void onPartitionsRevoked(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        if (left) {
            // The consumer closes after the drain, when other beans are gone
            return;
        }
        backlog.revoke(partitions);
        try {
            inFlight.awaitEmpty(partitions, timeout);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Map<TopicPartition, OffsetAndMetadata> done = inFlight.forget(partitions);
        LOG.infof("partitions=revoked committing=%s", done);
        try {
            consumer.commitSync(done, timeout);
        } catch (KafkaException e) {
            // Delivered again, these requests are answered from the store
            LOG.warnf("partitions=revoked commit=failed reason=\"%s\"", e.getMessage());
        }
    }
}
