package dev.darkroom.worker.cancel;

import dev.darkroom.contract.CancellationReader;
import dev.darkroom.contract.CancellationReader.Read;
import dev.darkroom.contract.CancellationReader.Undecodable;
import dev.darkroom.contract.CancellationReader.Understood;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.KafkaBinding;
import dev.darkroom.worker.KafkaSettings;
import dev.darkroom.worker.WorkerThreads;
import io.quarkus.runtime.StartupEvent;
import io.smallrye.common.annotation.Identifier;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jboss.logging.Logger;

/**
 * Reads the topic of cancellations, all of it, from its beginning: a request may be on any worker, and may come later than
 * its cancellation. So it is in no group, and commits nothing.
 */
@ApplicationScoped
public class CancellationConsumer {

    private static final Logger LOG = Logger.getLogger(CancellationConsumer.class);
    private static final Duration POLL = Duration.ofSeconds(1);
    private static final long PAUSE_MS = 500;

    /** What must be so, whatever the configuration says of Kafka's clients in general. */
    private static final Map<String, Object> FIXED = Map.of(
            ConsumerConfig.CLIENT_ID_CONFIG, "darkroom-cancellations",
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
            ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 10_000,
            ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, 5_000,
            ConsumerConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG, 1_000,
            // Until then partitions that were added are not seen
            ConsumerConfig.METADATA_MAX_AGE_CONFIG, 5_000);

    private final boolean enabled;
    private final String topic;
    private final Map<String, Object> settings;
    private final Cancellations cancellations;
    private final CancellationReader reader = new CancellationReader();
    private final CountDownLatch read = new CountDownLatch(1);
    private final CountDownLatch closing = new CountDownLatch(1);
    private volatile Consumer<byte[], byte[]> consumer;
    private final Thread thread = WorkerThreads.named("cancellations").newThread(this::run);

    CancellationConsumer(DarkroomConfig config, Cancellations cancellations,
            @Identifier("default-kafka-broker") Map<String, Object> kafka) {
        this.enabled = config.cancellations().enabled();
        this.topic = config.topics().cancellations();
        this.cancellations = cancellations;
        this.settings = KafkaSettings.among(ConsumerConfig.configNames(), kafka);
        Set.of(ConsumerConfig.GROUP_ID_CONFIG, ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, ConsumerConfig.GROUP_PROTOCOL_CONFIG)
                .forEach(settings::remove);
        settings.putAll(FIXED);
    }

    void start(@Observes StartupEvent event) {
        if (enabled) {
            thread.start();
        } else {
            read.countDown();
        }
    }

    /** Waits until all is read that was on the topic at the start, so that a cancellation that came first counts. */
    public void awaitRead() throws InterruptedException {
        read.await();
    }

    /** What keeps requests from being taken, a sentence; empty if nothing does. */
    public Optional<String> trouble() {
        return read.getCount() == 0 ? Optional.empty()
                : Optional.of("The topic " + topic + " has not been read from its beginning yet.");
    }

    private void run() {
        while (!closed()) {
            try (var opened = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer = opened;
                follow(opened);
            } catch (WakeupException e) {
                LOG.debug("The consumer of cancellations is closed", e);
            } catch (RuntimeException e) {
                // Whatever it is: a thread that ends would leave a worker that hears of nothing, and says that all is well
                LOG.warnf("cancellations=not-read topic=%s reason=\"%s\"", topic, e.getMessage());
            }
            pause();
        }
    }

    private void follow(Consumer<byte[], byte[]> consumer) {
        for (assign(consumer); consumer.assignment().isEmpty() && !closed(); assign(consumer)) {
            pause();
        }
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
            consumer.poll(POLL).forEach(this::take);
        }
        read.countDown();
        while (!closed()) {
            assign(consumer);
            consumer.poll(POLL).forEach(this::take);
        }
    }

    private void pause() {
        try {
            closing.await(PAUSE_MS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean closed() {
        return closing.getCount() == 0;
    }

    /** Assigns all partitions that there are; those that were added meanwhile from their beginning. */
    private void assign(Consumer<byte[], byte[]> consumer) {
        Set<TopicPartition> added = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition())).collect(Collectors.toSet());
        added.removeAll(consumer.assignment());
        if (!added.isEmpty()) {
            Set<TopicPartition> all = new HashSet<>(consumer.assignment());
            all.addAll(added);
            consumer.assign(all);
            consumer.seekToBeginning(added);
        }
    }

    private void take(ConsumerRecord<byte[], byte[]> record) {
        Read what = KafkaBinding.read(reader, record.headers(), record.value());
        if (what instanceof Understood understood) {
            cancellations.add(understood.cancellation());
        } else if (what instanceof Undecodable undecodable) {
            // Every worker reads it: a dead letter each would be as many as there are workers and starts
            LOG.warnf("cancellation=ignored topic=%s partition=%d offset=%d reason=\"%s\"", topic, record.partition(),
                    record.offset(), undecodable.message());
        }
    }

    @PreDestroy
    void close() {
        closing.countDown();
        Consumer<byte[], byte[]> opened = consumer;
        if (opened != null) {
            opened.wakeup();
        }
    }
}
