package dev.darkroom.tools;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The letters that lie on the dead-letter topic when it is opened, oldest first in each partition, and which of them were
 * sent again, as a consumer group remembers it. Not thread-safe.
 */
final class DeadLetterTopic implements AutoCloseable {

    private static final Duration POLL = Duration.ofMillis(200);

    private final String bootstrapServers;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Map<TopicPartition, Long> ends;
    private final Map<TopicPartition, Redriven> redriven = new HashMap<>();
    private final Map<DeadLetter, Future<RecordMetadata>> unacknowledged = new LinkedHashMap<>();
    private final boolean all;

    /**
     * Looks at the topic.
     *
     * @param group the consumer group that remembers what was sent
     * @param all whether letters come that were sent before
     * @throws CommandException if there is no such topic, or no broker answers
     */
    DeadLetterTopic(String bootstrapServers, String topic, String group, boolean all) {
        this.bootstrapServers = bootstrapServers;
        this.all = all;
        producer = KafkaClients.producer(bootstrapServers, new ByteArraySerializer());
        // The position is always set; the reset is for what is deleted between that and the first poll
        consumer = KafkaClients.consumer(bootstrapServers, Map.of(
                ConsumerConfig.GROUP_ID_CONFIG, group,
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
                ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false));
        try {
            ends = answer(() -> open(topic, group));
        } catch (CommandException e) {
            close();
            throw e;
        }
    }

    private Map<TopicPartition, Long> open(String topic, String group) {
        List<PartitionInfo> infos = consumer.partitionsFor(topic);
        if (infos == null || infos.isEmpty()) {
            throw new CommandException("There is no topic " + topic + " at " + bootstrapServers + ".");
        }
        List<TopicPartition> partitions = infos.stream().map(info -> new TopicPartition(topic, info.partition())).toList();
        Map<TopicPartition, Long> beginnings = consumer.beginningOffsets(partitions);
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(Set.copyOf(partitions));
        consumer.assign(partitions);
        for (TopicPartition partition : partitions) {
            long beginning = beginnings.get(partition);
            try {
                redriven.put(partition, new Redriven(committed.get(partition), beginning));
            } catch (NumberFormatException e) {
                throw new CommandException("The consumer group " + group + " is somebody else's: what it committed says nothing "
                        + "of letters that were sent again. Name another with --group.", e);
            }
            consumer.seek(partition, all ? beginning : redriven.get(partition).position());
        }
        return consumer.endOffsets(partitions);
    }

    /** Whether there are letters that {@link #next} has not looked at. */
    boolean hasNext() {
        return answer(() -> ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue()));
    }

    /** Some more letters, none perhaps. */
    List<DeadLetter> next() {
        return answer(() -> {
            Map<TopicPartition, Long> before = positions();
            Map<TopicPartition, Long> passed = new HashMap<>(before);
            long deadline = System.nanoTime() + KafkaClients.PATIENCE.toNanos();
            List<DeadLetter> letters = new ArrayList<>();
            while (positions().equals(before)) {
                if (System.nanoTime() > deadline) {
                    throw new TimeoutException("the broker sends nothing");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    var partition = new TopicPartition(record.topic(), record.partition());
                    passGap(partition, passed.put(partition, record.offset() + 1), record.offset());
                    if (record.offset() < ends.get(partition)
                            && (all || !redriven.get(partition).contains(record.offset()))) {
                        letters.add(new DeadLetter(record));
                    }
                }
            }
            positions().forEach((partition, position) -> passGap(partition, passed.get(partition), position));
            return letters;
        });
    }

    private Map<TopicPartition, Long> positions() {
        Map<TopicPartition, Long> positions = new HashMap<>();
        ends.keySet().forEach(partition -> positions.put(partition, consumer.position(partition)));
        return positions;
    }

    /** Offsets without a record, as a compacted topic has them. */
    private void passGap(TopicPartition partition, long from, long to) {
        redriven.get(partition).add(from, to);
    }

    /** Sends the record of a letter to where it came from, without waiting; {@link #commit} waits. */
    void send(DeadLetter letter) {
        answer(() -> unacknowledged.put(letter, producer.send(letter.original())));
    }

    /** Remembers of a letter that nothing more is to be done with it. */
    void pass(DeadLetter letter) {
        long offset = letter.record().offset();
        redriven.get(new TopicPartition(letter.record().topic(), letter.record().partition())).add(offset, offset + 1);
    }

    /**
     * Waits until the broker has acknowledged what was sent, and remembers it.
     *
     * @return the letters that Kafka refused, with what it said
     * @throws CommandException if no broker answers; what was acknowledged before is remembered
     */
    Map<DeadLetter, String> commit() {
        Map<DeadLetter, String> refused = new LinkedHashMap<>();
        Set<Throwable> silence = new HashSet<>();
        producer.flush();
        unacknowledged.forEach((letter, sent) -> {
            try {
                sent.get();
                pass(letter);
            } catch (ExecutionException e) {
                if (e.getCause() instanceof TimeoutException) {
                    silence.add(e.getCause());
                } else {
                    refused.put(letter, e.getCause().getMessage());
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CommandException("Interrupted.", e);
            }
        });
        unacknowledged.clear();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        redriven.forEach((partition, sent) -> offsets.put(partition, sent.commit()));
        answer(() -> {
            consumer.commitSync(offsets);
            return offsets;
        });
        silence.stream().findFirst().ifPresent(cause -> {
            throw KafkaClients.failure(bootstrapServers, cause);
        });
        return refused;
    }

    private <T> T answer(Supplier<T> question) {
        try {
            return question.get();
        } catch (KafkaException e) {
            throw KafkaClients.failure(bootstrapServers, e);
        }
    }

    @Override
    public void close() {
        producer.close(Duration.ofSeconds(1));
        consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
    }
}
