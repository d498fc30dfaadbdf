package dev.darkroom.worker;

import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The other side of the worker's topics: sends requests, and keeps all that comes back. */
public final class Topics implements AutoCloseable {

    public static final String REQUESTS = "darkroom.requests";
    public static final String EXPRESS = "darkroom.requests.express";
    public static final String COMPLETIONS = "darkroom.completions";
    public static final String PROGRESS = "darkroom.progress";
    public static final String DEAD_LETTERS = "darkroom.requests-dlq";
    public static final String CANCELLATIONS = "darkroom.cancellations";

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Admin admin;
    private final Queue<ConsumerRecord<byte[], byte[]>> received = new ConcurrentLinkedQueue<>();
    /** The same by topic and subject, since tests ask again and again what came of hundreds of requests. */
    private final Map<String, List<ConsumerRecord<byte[], byte[]>>> about = new ConcurrentHashMap<>();
    private final Thread reader;

    Topics(String bootstrapServers) {
        Map<String, Object> connection = Map.of("bootstrap.servers", bootstrapServers, "max.request.size", 4 << 20);
        admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers));
        create(REQUESTS, EXPRESS, COMPLETIONS, PROGRESS, DEAD_LETTERS, CANCELLATIONS);
        producer = new KafkaProducer<>(connection, new ByteArraySerializer(), new ByteArraySerializer());
        consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrapServers),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        List<TopicPartition> partitions = List.of(new TopicPartition(COMPLETIONS, 0), new TopicPartition(PROGRESS, 0),
                new TopicPartition(DEAD_LETTERS, 0));
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        reader = new Thread(this::read, "topics-reader");
        reader.start();
    }

    /** The broker's other side, for what tests do to topics and rights. */
    public Admin admin() {
        return admin;
    }

    public void create(String... topics) {
        for (String topic : topics) {
            try {
                int partitions = Set.of(REQUESTS, EXPRESS).contains(topic) ? 4 : 1;
                admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof TopicExistsException)) {
                    throw new IllegalStateException(e);
                }
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private void read() {
        try {
            while (true) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    received.add(record);
                    about.computeIfAbsent(record.topic() + " " + header(record, "ce_subject"),
                            subject -> new CopyOnWriteArrayList<>()).add(record);
                }
            }
        } catch (WakeupException e) {
            consumer.close();
        }
    }

    /** Sends a request as plain JSON, keyed by a word of its own. */
    public void send(String json) {
        send(new ProducerRecord<>(REQUESTS, "a key".getBytes(StandardCharsets.UTF_8),
                json.getBytes(StandardCharsets.UTF_8)));
    }

    /** Sends a request as plain JSON on the express lane, keyed by a word of its own. */
    public void sendExpress(String json) {
        send(new ProducerRecord<>(EXPRESS, "a key".getBytes(StandardCharsets.UTF_8), json.getBytes(StandardCharsets.UTF_8)));
    }

    /** Sends a cancellation as plain JSON. */
    public void cancel(String requestId) {
        send(new ProducerRecord<>(CANCELLATIONS, requestId.getBytes(StandardCharsets.UTF_8),
                "{\"requestId\": \"%s\"}".formatted(requestId).getBytes(StandardCharsets.UTF_8)));
    }

    public void send(ProducerRecord<byte[], byte[]> record) {
        try {
            producer.send(record).get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Sends a record without waiting for the broker's word. */
    public void post(ProducerRecord<byte[], byte[]> record) {
        producer.send(record);
    }

    /** What came so far on a topic about a request. */
    public List<ConsumerRecord<byte[], byte[]>> received(String topic, String requestId) {
        return List.copyOf(about.getOrDefault(topic + " " + requestId, List.of()));
    }

    public List<ConsumerRecord<byte[], byte[]>> received(String topic, Predicate<ConsumerRecord<byte[], byte[]>> condition) {
        return received.stream().filter(record -> record.topic().equals(topic)).filter(condition).toList();
    }

    /** Waits for the outcome of a request. */
    public ConsumerRecord<byte[], byte[]> outcome(String requestId) {
        return outcomes(requestId, 1).get(0);
    }

    /** Waits until a request has been told this many outcomes. */
    public List<ConsumerRecord<byte[], byte[]>> outcomes(String requestId, int count) {
        await().atMost(PATIENCE).until(() -> received(COMPLETIONS, requestId).size() >= count);
        return received(COMPLETIONS, requestId);
    }

    /** Waits for the dead letter of the record with this value. */
    public ConsumerRecord<byte[], byte[]> deadLetter(byte[] value) {
        await().atMost(PATIENCE).until(() -> !received(DEAD_LETTERS, dead -> same(dead.value(), value)).isEmpty());
        return received(DEAD_LETTERS, dead -> same(dead.value(), value)).get(0);
    }

    private static boolean same(byte[] a, byte[] b) {
        return java.util.Arrays.equals(a, b);
    }

    /** The next offsets that the worker's group would be given, summed over the partitions. */
    public long committed() {
        try {
            return admin.listConsumerGroupOffsets("darkroom").partitionsToOffsetAndMetadata().get().values().stream()
                    .mapToLong(offset -> offset == null ? 0 : offset.offset())
                    .sum();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The requests that were ever sent, summed over the partitions. */
    public long sent() {
        List<TopicPartition> partitions = Stream.of(REQUESTS, EXPRESS).flatMap(topic -> producer.partitionsFor(topic).stream())
                .map(info -> new TopicPartition(info.topic(), info.partition()))
                .toList();
        try {
            return admin.listOffsets(partitions.stream().collect(java.util.stream.Collectors.toMap(
                            partition -> partition, partition -> org.apache.kafka.clients.admin.OffsetSpec.latest())))
                    .all().get().values().stream().mapToLong(offset -> offset.offset()).sum();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    public static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        consumer.wakeup();
        producer.close(Duration.ofSeconds(5));
        admin.close(Duration.ofSeconds(5));
        try {
            reader.join(5_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
