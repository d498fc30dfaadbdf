package dev.darkroom.faults;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends requests, ordinary ones and those that are faults. The producer goes on until the broker has them. Thread-safe. */
final class Requests implements AutoCloseable {

    /** More than the worker's producer sends in one record; the broker takes it compressed. */
    private static final byte[] TOO_LARGE = "h".repeat(1_100_000).getBytes(StandardCharsets.UTF_8);
    /** With this key a request is just small enough for the broker, and its outcome is not. */
    private static final byte[] LARGE_KEY = "k".repeat(1_047_000).getBytes(StandardCharsets.UTF_8);
    private static final List<String> COMPLETED = List.of(Expected.COMPLETED);
    private static final List<String> DEAD = List.of(Expected.DEAD_LETTER);
    /** Which of the two is nobody's to say, as long as it is the same everywhere. */
    private static final List<String> COMPLETED_OR_CANCELLED = List.of(Expected.COMPLETED, "CANCELLED");
    private static final int LATEST_CANCELLATION_MS = 2_000;
    private static final int TRANSACTION_MS = 10_000;

    /** An ordinary request; @param sent when the broker had it, in milliseconds since 1970 */
    record Sent(String id, TopicPartition partition, long sent) {
    }

    private final String bootstrapServers;
    private final String run;
    private final Set<String> answered;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaProducer<byte[], byte[]> compressing;
    private KafkaProducer<byte[], byte[]> transactional;
    private final AtomicInteger numbers = new AtomicInteger();
    private final List<Sent> ordinary = new CopyOnWriteArrayList<>();
    private final Map<String, Integer> earlier = new ConcurrentHashMap<>();

    /**
     * @param run begins every id
     * @param answered ids that have been told an outcome
     */
    Requests(String bootstrapServers, String run, Set<String> answered) {
        this.answered = answered;
        this.bootstrapServers = bootstrapServers;
        this.run = run;
        this.producer = producer(Map.of());
        this.compressing = producer(Map.of("compression.type", "zstd"));
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> settings = new java.util.HashMap<>(Map.of("bootstrap.servers", bootstrapServers,
                "max.request.size", 4 << 20, "delivery.timeout.ms", 180_000, "max.block.ms", 60_000,
                "reconnect.backoff.max.ms", 500, "linger.ms", 0));
        settings.putAll(more);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Ordinary requests that were sent so far. */
    List<Sent> ordinary() {
        return ordinary;
    }

    /** Sends an ordinary request and waits until the broker has it. */
    String ordinary(int picture) throws InterruptedException {
        return ordinary(id("ordinary"), picture, null);
    }

    String ordinary(String id, int picture, Integer partition) throws InterruptedException {
        ordinary(Cluster.REQUESTS, id, picture, partition, COMPLETED);
        earlier.put(id, picture);
        return id;
    }

    private void ordinary(String topic, String id, int picture, Integer partition, List<String> ends)
            throws InterruptedException {
        RecordMetadata place = await(producer.send(
                on(topic, record(partition, id, Pictures.request(id, picture, ""), new Expected(id, picture, ends)))));
        ordinary.add(new Sent(id, new TopicPartition(topic, place.partition()), System.currentTimeMillis()));
    }

    /** Sends a request that goes first. */
    String express(int picture) throws InterruptedException {
        String id = id("express");
        ordinary(Cluster.EXPRESS, id, picture, null, COMPLETED);
        earlier.put(id, picture);
        return id;
    }

    /** Sends a request that is cancelled later. */
    String regretted(int picture) throws InterruptedException {
        String id = id("regretted");
        ordinary(Cluster.REQUESTS, id, picture, null, COMPLETED_OR_CANCELLED);
        return id;
    }

    /** Cancels a request and waits until the broker has that. */
    void cancel(String id) throws InterruptedException {
        await(producer.send(new ProducerRecord<>(Cluster.CANCELLATIONS, bytes(id),
                bytes("{\"requestId\": \"%s\"}".formatted(id)))));
    }

    private String id(String kind) {
        return "%s-%s-%06d".formatted(run, kind, numbers.incrementAndGet());
    }

    /** A key that no other record has, so that every record's answer can be told. */
    private ProducerRecord<byte[], byte[]> record(Integer partition, String id, String value, Expected expected) {
        return record(partition, null, bytes(id + "/" + numbers.incrementAndGet()), bytes(value), expected);
    }

    private static ProducerRecord<byte[], byte[]> record(Integer partition, Long timestamp, byte[] key, byte[] value,
            Expected expected) {
        var record = new ProducerRecord<>(Cluster.REQUESTS, partition, timestamp, key, value);
        expected.writeTo(record);
        return record;
    }

    /** The same record on another topic. */
    private static ProducerRecord<byte[], byte[]> on(String topic, ProducerRecord<byte[], byte[]> record) {
        return new ProducerRecord<>(topic, record.partition(), record.timestamp(), record.key(), record.value(),
                record.headers());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static <T> T await(Future<T> sent) throws InterruptedException {
        try {
            return sent.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("A record could not be sent: " + e.getCause(), e);
        }
    }

    private void send(List<ProducerRecord<byte[], byte[]>> records) throws InterruptedException {
        List<Future<RecordMetadata>> sent = records.stream().map(producer::send).toList();
        for (Future<RecordMetadata> each : sent) {
            await(each);
        }
    }

    private void send(ProducerRecord<byte[], byte[]> record) throws InterruptedException {
        send(List.of(record));
    }

    /** Sends what a fault of records is made of. */
    void send(Kind kind, Random random) throws InterruptedException {
        int picture = Pictures.any(random);
        int other = (picture + 1 + random.nextInt(Pictures.count() - 1)) % Pictures.count();
        String id = id(kind.label());
        String request = Pictures.request(id, picture, "");
        Expected completed = new Expected(id, picture, COMPLETED);
        Expected dead = new Expected(null, -1, DEAD);
        List<Integer> partitions = new ArrayList<>(IntStream.range(0, Cluster.PARTITIONS).boxed().toList());
        Collections.shuffle(partitions, random);
        switch (kind) {
            case COPIES -> send(partitions.subList(0, 3 + random.nextInt(3)).stream()
                    .map(partition -> record(partition, id, request, completed)).toList());
            case TWO_PAYLOADS -> send(List.of(
                    record(partitions.get(0), id, request, either(id, picture)),
                    record(partitions.get(1), id, Pictures.request(id, other, ""), either(id, other))));
            case COMES_AGAIN -> {
                String again = earlierId(random);
                int its = earlier.get(again);
                send(record(null, again, Pictures.request(again, its, ""), new Expected(again, its, COMPLETED)));
            }
            case ID_REUSED -> {
                String taken = earlierId(random);
                int its = earlier.get(taken);
                int another = (its + 1 + random.nextInt(Pictures.count() - 1)) % Pictures.count();
                send(record(null, taken, Pictures.request(taken, another, ""),
                        new Expected(taken, another, List.of("REQUEST_ID_REUSED"))));
            }
            case BROKEN_JSON -> send(record(null, id, request.substring(0, request.length() / 2), dead));
            case NOT_UTF8 -> send(record(null, null, bytes(id), new byte[] {'{', (byte) 0xff, (byte) 0xfe, '}'}, dead));
            case TOMBSTONE -> send(record(null, null, bytes(id), null, dead));
            case VALUE_TOO_LARGE -> send(record(null, id, "x".repeat(900_000), dead));
            case HEADER_TOO_LARGE -> {
                var record = record(null, id, "no request", dead);
                record.headers().add("large", TOO_LARGE);
                await(compressing.send(record));
            }
            case KEY_TOO_LARGE -> await(compressing.send(record(null, null, TOO_LARGE, bytes("no request"), dead)));
            case OUTCOME_TOO_LARGE -> send(record(null, null, LARGE_KEY, bytes(request), completed));
            case NO_KEY -> send(record(partitions.get(0), null, null, bytes(request), completed));
            case INVALID -> send(partitions.subList(0, 1 + random.nextInt(2)).stream()
                    .map(partition -> record(partition, id, Pictures.request(id, picture, ", \"count\": 9"),
                            new Expected(id, -1, List.of("INVALID_REQUEST")))).toList());
            case UNSUPPORTED -> send(record(null, id, Pictures.request(id, picture, ", \"adapters\": [{\"name\": \"oil\"}]"),
                    new Expected(id, -1, List.of("UNSUPPORTED_PARAMETERS"))));
            case DEADLINE_PASSED -> send(record(null, id,
                    Pictures.request(id, picture, deadline(Instant.now().minusSeconds(86_400))),
                    new Expected(id, picture, List.of("EXPIRED"))));
            case DEADLINE_NEAR -> {
                String near = Pictures.request(id, picture, deadline(Instant.now().plusMillis(random.nextInt(1_500))));
                send(partitions.subList(0, 3).stream().map(partition ->
                        record(partition, id, near, new Expected(id, picture, List.of(Expected.COMPLETED, "EXPIRED")))).toList());
            }
            case EXPRESS -> send(on(Cluster.EXPRESS, record(null, id, request, completed)));
            case EXPRESS_COPIES -> send(List.of(record(partitions.get(0), id, request, completed),
                    on(Cluster.EXPRESS, record(partitions.get(1), id, request, completed)),
                    on(Cluster.EXPRESS, record(partitions.get(2), id, request, completed))));
            case EXPRESS_INVALID -> {
                String invalid = Pictures.request(id, picture, ", \"count\": 9");
                Expected refused = new Expected(id, -1, List.of("INVALID_REQUEST"));
                send(Cluster.LANES.stream().map(lane -> on(lane, record(partitions.get(0), id, invalid, refused))).toList());
            }
            case EXPRESS_BROKEN_JSON -> send(on(Cluster.EXPRESS, record(null, id, "{", dead)));
            case CANCELLED -> {
                send(record(null, id, request, cancellable(id, picture)));
                Thread.sleep(random.nextInt(LATEST_CANCELLATION_MS));
                cancel(id);
            }
            case CANCELLED_FIRST -> {
                cancel(id);
                send(record(null, id, request, cancellable(id, picture)));
            }
            case CANCELLED_COPIES -> {
                send(partitions.subList(0, 3 + random.nextInt(3)).stream()
                        .map(partition -> record(partition, id, request, cancellable(id, picture))).toList());
                Thread.sleep(random.nextInt(LATEST_CANCELLATION_MS));
                cancel(id);
            }
            case CANCELLED_LATE -> {
                String done = earlierId(random);
                int its = earlier.get(done);
                cancel(done);
                send(record(null, done, Pictures.request(done, its, ""), new Expected(done, its, COMPLETED)));
            }
            case ABORTED, COMMITTED -> transaction(kind == Kind.COMMITTED, partitions.subList(0, 3).stream()
                    .map(partition -> {
                        String its = "%s-%02d".formatted(id, partition);
                        return record(partition, its, Pictures.request(its, picture, ""), new Expected(its, picture, COMPLETED));
                    }).toList());
            case WRONG_TIME -> send(record(null, random.nextBoolean() ? 1L : System.currentTimeMillis() + 3_000_000,
                    bytes(id), bytes(request), completed));
            default -> throw new IllegalArgumentException(kind + " is no fault of records");
        }
    }

    private static Expected either(String id, int picture) {
        return new Expected(id, picture, List.of(Expected.COMPLETED, "REQUEST_ID_REUSED"));
    }

    private static Expected cancellable(String id, int picture) {
        return new Expected(id, picture, COMPLETED_OR_CANCELLED);
    }

    private static String deadline(Instant at) {
        return ", \"deadline\": \"%s\"".formatted(at);
    }

    private String earlierId(Random random) {
        List<String> ids = ordinary.stream().map(Sent::id).filter(answered::contains).filter(earlier::containsKey).toList();
        return ids.get(random.nextInt(ids.size()));
    }

    /** What the topic holds decides which requests were asked for; so a transaction that fails here is simply given up. */
    private void transaction(boolean commit, List<ProducerRecord<byte[], byte[]>> records) {
        try {
            if (transactional == null) {
                transactional = producer(Map.of("transactional.id", run, "transaction.timeout.ms", TRANSACTION_MS));
                transactional.initTransactions();
            }
            transactional.beginTransaction();
            records.forEach(transactional::send);
            transactional.flush();
            if (commit) {
                transactional.commitTransaction();
            } else {
                transactional.abortTransaction();
            }
        } catch (KafkaException e) {
            transactional.close(Duration.ZERO);
            transactional = null;
        }
    }

    @Override
    public void close() {
        List.of(producer, compressing).forEach(each -> each.close(Duration.ofSeconds(2)));
        if (transactional != null) {
            transactional.close(Duration.ofSeconds(2));
        }
    }
}
