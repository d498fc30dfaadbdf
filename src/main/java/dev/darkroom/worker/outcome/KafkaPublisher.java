package dev.darkroom.worker.outcome;

import dev.darkroom.worker.KafkaSettings;
import dev.darkroom.worker.Retries;
import dev.darkroom.worker.WorkerThreads;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.kafka.KafkaClientMetrics;
import io.smallrye.common.annotation.Identifier;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.RecordBatchTooLargeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jboss.logging.Logger;

/** The worker's producer: what it sends is acknowledged by all in-sync replicas, or refused for good. Thread-safe. */
@ApplicationScoped
public class KafkaPublisher {

    private static final Logger LOG = Logger.getLogger(KafkaPublisher.class);
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(1);
    /** Progress that waits to be sent; what comes on top is dropped. */
    private static final int PROGRESS_QUEUE = 256;

    /** Set unless the configuration sets them: a fault is to be known of soon, and what is tried again is the same event. */
    private static final Map<String, Object> DEFAULTS = Map.of(
            ProducerConfig.CLIENT_ID_CONFIG, "darkroom-outcomes",
            ProducerConfig.LINGER_MS_CONFIG, 0,
            ProducerConfig.MAX_BLOCK_MS_CONFIG, 5_000,
            ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, 10_000,
            ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 30_000,
            ProducerConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG, 2_000);

    /** What the broker, or the client before it, says to a record that it will never take. */
    private static final Set<Class<?>> FOR_GOOD = Set.of(RecordTooLargeException.class, RecordBatchTooLargeException.class,
            InvalidRecordException.class, InvalidTimestampException.class);

    private final Producer<byte[], byte[]> producer;
    private final KafkaClientMetrics clientMetrics;
    private final Retries retries;
    private final ExecutorService background = new ThreadPoolExecutor(1, 1, 0, TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(PROGRESS_QUEUE), WorkerThreads.named("progress"),
            new ThreadPoolExecutor.DiscardPolicy());

    KafkaPublisher(@Identifier("default-kafka-broker") Map<String, Object> kafka, Retries retries, MeterRegistry metrics) {
        this.retries = retries;
        Map<String, Object> settings = new HashMap<>(DEFAULTS);
        settings.putAll(KafkaSettings.among(ProducerConfig.configNames(), kafka));
        if (kafka.containsKey(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG) || kafka.containsKey(ProducerConfig.LINGER_MS_CONFIG)) {
            // The client refuses a delivery time-out below their sum
            settings.remove(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, DEFAULTS.get(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG));
        }
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        clientMetrics = new KafkaClientMetrics(producer);
        clientMetrics.bindTo(metrics);
    }

    /** The broker refuses a record for what it is; the same record, sent again, is refused again. */
    static final class RefusedForGoodException extends RuntimeException implements Retries.Failure {
        RefusedForGoodException(Throwable cause) {
            super(cause.getMessage(), cause);
        }

        @Override
        public String reason() {
            return "the topic takes not even the smallest record";
        }
    }

    /** The record was not acknowledged; the same record, sent again, may be. */
    static final class NotPublishedException extends RuntimeException implements Retries.Failure {
        NotPublishedException(Throwable cause) {
            super(cause.toString(), cause);
        }

        @Override
        public String reason() {
            if (getCause() instanceof AuthorizationException) {
                return "the right to do so is missing";
            }
            if (getCause() instanceof UnknownTopicOrPartitionException
                    || getCause() instanceof TimeoutException && String.valueOf(getMessage()).contains("metadata")) {
                return "the topic is missing, or no broker answers";
            }
            return getCause() instanceof TimeoutException
                    ? "no broker answers" : getCause().getClass().getSimpleName().replaceFirst("Exception$", "");
        }
    }

    /**
     * Sends a record and returns once the broker has acknowledged it, however long that takes.
     *
     * @throws RefusedForGoodException if that will never be
     * @throws CancellationException if the worker stops
     */
    void send(ProducerRecord<byte[], byte[]> record) {
        retries.untilDone("publish to " + record.topic(), NotPublishedException.class::isInstance, () -> {
            attempt(record);
            return null;
        });
    }

    /** Sends a record, and tries again even where the broker refuses it for good. */
    void sendWhateverIsSaid(ProducerRecord<byte[], byte[]> record) {
        retries.untilDone("publish to " + record.topic(), failure -> !(failure instanceof CancellationException), () -> {
            attempt(record);
            return null;
        });
    }

    private void attempt(ProducerRecord<byte[], byte[]> record) {
        try {
            // The client adds to the headers of what it sends, so every attempt has its own
            producer.send(new ProducerRecord<>(record.topic(), null, record.key(), record.value(), record.headers())).get();
        } catch (ExecutionException e) {
            throw classified(e.getCause());
        } catch (InterruptedException | InterruptException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("The worker stopped before the record was published.");
        } catch (KafkaException e) {
            throw classified(e);
        }
    }

    private static RuntimeException classified(Throwable failure) {
        return FOR_GOOD.contains(failure.getClass())
                ? new RefusedForGoodException(failure) : new NotPublishedException(failure);
    }

    /** Sends a record that may be lost, without waiting for anything. */
    void sendInBackground(ProducerRecord<byte[], byte[]> record) {
        background.execute(() -> {
            try {
                producer.send(record, (sent, failure) -> {
                    if (failure != null) {
                        LOG.debugf("progress=lost topic=%s reason=\"%s\"", record.topic(), failure.getMessage());
                    }
                });
            } catch (KafkaException | IllegalStateException e) {
                LOG.debugf("progress=lost topic=%s reason=\"%s\"", record.topic(), e.getMessage());
            }
        });
    }

    /** Asks for a topic, which creates it where brokers create topics that are asked for. Blocks where they do not. */
    public void touch(String topic) {
        try {
            producer.partitionsFor(topic);
        } catch (KafkaException | IllegalStateException e) {
            // The second is what a closed producer says
            LOG.debugf("topic=missing name=%s reason=\"%s\"", topic, e.getMessage());
        }
    }

    @PreDestroy
    void close() {
        background.shutdownNow();
        clientMetrics.close();
        producer.close(CLOSE_TIMEOUT);
    }
}
