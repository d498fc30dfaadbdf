package dev.darkroom.tools;

import dev.darkroom.worker.KafkaBinding;
import io.cloudevents.CloudEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A client of Darkroom as anybody would write one: sends requests to one topic and follows others. Not thread-safe.
 */
public final class EventClient implements AutoCloseable {

    private final String bootstrapServers;
    private final KafkaProducer<String, byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final List<Future<RecordMetadata>> unacknowledged = new ArrayList<>();

    /**
     * Connects in the background.
     *
     * @throws CommandException if the addresses are not of the form {@code host:port,…}
     */
    public EventClient(String bootstrapServers) {
        this.bootstrapServers = bootstrapServers;
        producer = KafkaClients.producer(bootstrapServers, new StringSerializer());
        try {
            consumer = KafkaClients.consumer(bootstrapServers, Map.of());
        } catch (CommandException e) {
            producer.close(Duration.ZERO);
            throw e;
        }
    }

    /** Follows topics from now on: what is sent after this returns will be seen. */
    public void follow(Collection<String> topics) {
        try {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : topics) {
                // The first question makes the broker create the topic, if it does so at all; the answer comes later
                long deadline = System.nanoTime() + KafkaClients.PATIENCE.toNanos();
                int before = partitions.size();
                while (partitions.size() == before) {
                    consumer.partitionsFor(topic).forEach(
                            info -> partitions.add(new TopicPartition(topic, info.partition())));
                    if (partitions.size() == before) {
                        if (System.nanoTime() > deadline) {
                            throw new CommandException("There is no topic " + topic + " at " + bootstrapServers + ".");
                        }
                        Thread.sleep(100);
                    }
                }
            }
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);
        } catch (TimeoutException e) {
            throw KafkaClients.failure(bootstrapServers, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException("Interrupted.", e);
        }
    }

    /** Sends a record without waiting; {@link #flush()} waits. */
    public void send(ProducerRecord<String, byte[]> message) {
        unacknowledged.add(producer.send(message));
    }

    /**
     * Waits until the broker has acknowledged all that was sent.
     *
     * @return where each went, in the order in which they were sent
     */
    public List<RecordMetadata> flush() {
        try {
            producer.flush();
            List<RecordMetadata> sent = new ArrayList<>();
            for (Future<RecordMetadata> each : unacknowledged) {
                sent.add(each.get());
            }
            unacknowledged.clear();
            return sent;
        } catch (ExecutionException e) {
            throw KafkaClients.failure(bootstrapServers, e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException("Interrupted.", e);
        }
    }

    /** Waits a moment for events on the topics that are followed. Records that carry none are passed over. */
    public void poll(Duration timeout, Consumer<CloudEvent> listener) {
        pollRecords(timeout, message -> KafkaBinding.event(message).ifPresent(listener));
    }

    /** Waits a moment for records of any kind on the topics that are followed. */
    void pollRecords(Duration timeout, Consumer<ConsumerRecord<byte[], byte[]>> listener) {
        consumer.poll(timeout).forEach(listener);
    }

    @Override
    public void close() {
        producer.close(Duration.ofSeconds(1));
        consumer.close(org.apache.kafka.clients.consumer.CloseOptions.timeout(Duration.ofSeconds(1)));
    }
}
