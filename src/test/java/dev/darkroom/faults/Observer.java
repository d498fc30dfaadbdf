package dev.darkroom.faults;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Hears what is published while it goes on, and looks at the group's lag every second. */
final class Observer implements AutoCloseable {

    private static final Duration POLL = Duration.ofMillis(200);
    private static final int ADMIN_MS = 1_500;

    /**
     * How things were at one moment.
     *
     * @param at milliseconds since 1970
     * @param lag records that the group has not committed; -1 where nobody could say
     * @param answered ids that have been told an outcome so far
     */
    record Sample(long at, long lag, int answered) {
    }

    private final String bootstrapServers;
    private final Admin admin;
    private final List<Message> answers = new CopyOnWriteArrayList<>();
    private final Map<String, Long> answeredAt = new ConcurrentHashMap<>();
    private final List<Sample> samples = new CopyOnWriteArrayList<>();
    private final Thread reader = new Thread(this::read, "observer-reader");
    private final Thread sampler = new Thread(this::sample, "observer-sampler");
    private volatile boolean closed;

    Observer(String bootstrapServers) {
        this.bootstrapServers = bootstrapServers;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers, "request.timeout.ms", ADMIN_MS,
                "default.api.timeout.ms", ADMIN_MS, "reconnect.backoff.max.ms", 500));
        List.of(reader, sampler).forEach(thread -> {
            thread.setDaemon(true);
            thread.start();
        });
    }

    private void read() {
        List<TopicPartition> partitions = List.of(new TopicPartition(Cluster.COMPLETIONS, 0),
                new TopicPartition(Cluster.DEAD_LETTERS, 0));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("read_uncommitted")) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (!closed) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    Message message = Message.of(record);
                    answers.add(message);
                    String id = message.header("ce_subject");
                    if (id != null) {
                        answeredAt.putIfAbsent(id, message.received());
                    }
                }
            }
        }
    }

    private KafkaConsumer<byte[], byte[]> consumer(String isolation) {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrapServers, "isolation.level", isolation,
                "reconnect.backoff.max.ms", 500, "fetch.max.bytes", 64 << 20),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private void sample() {
        while (!closed) {
            samples.add(new Sample(System.currentTimeMillis(), lag(), answeredAt.size()));
            try {
                Thread.sleep(1_000);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    /** Records that the group has not committed; -1 where the broker does not answer. */
    long lag() {
        try {
            Map<TopicPartition, OffsetSpec> latest = partitions().stream()
                    .collect(Collectors.toMap(Function.identity(), partition -> OffsetSpec.latest()));
            var ends = admin.listOffsets(latest).all().get(ADMIN_MS, TimeUnit.MILLISECONDS);
            var committed = admin.listConsumerGroupOffsets(Map.of(Cluster.GROUP,
                            new ListConsumerGroupOffsetsSpec().topicPartitions(partitions())))
                    .partitionsToOffsetAndMetadata().get(ADMIN_MS, TimeUnit.MILLISECONDS);
            return partitions().stream().mapToLong(partition -> ends.get(partition).offset()
                    - (committed.get(partition) == null ? 0 : committed.get(partition).offset())).sum();
        } catch (ExecutionException | TimeoutException e) {
            return -1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return -1;
        }
    }

    private static List<TopicPartition> partitions() {
        return Cluster.LANES.stream().flatMap(topic -> IntStream.range(0, Cluster.PARTITIONS)
                .mapToObj(i -> new TopicPartition(topic, i))).toList();
    }

    /** The partitions that a worker has; empty where it has none, or nobody can say. */
    Set<TopicPartition> partitions(Worker worker) {
        try {
            return admin.describeConsumerGroups(List.of(Cluster.GROUP)).describedGroups().get(Cluster.GROUP)
                    .get(ADMIN_MS, TimeUnit.MILLISECONDS).members().stream()
                    .filter(member -> member.clientId().startsWith(worker.name()))
                    .flatMap(member -> member.assignment().topicPartitions().stream())
                    .collect(Collectors.toSet());
        } catch (ExecutionException | TimeoutException e) {
            return Set.of();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Set.of();
        }
    }

    /** What the lanes' topics hold, without what was produced in transactions that were given up. */
    List<Message> requests() {
        List<Message> requests = new java.util.ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("read_committed")) {
            consumer.assign(partitions());
            consumer.seekToBeginning(partitions());
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions());
            while (partitions().stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                consumer.poll(POLL).forEach(record -> requests.add(Message.of(record)));
            }
        }
        return requests;
    }

    /** Outcomes and dead letters, in the order in which they were heard. */
    List<Message> answers() {
        return answers;
    }

    /** When each id was first told an outcome, milliseconds since 1970. */
    Map<String, Long> answeredAt() {
        return answeredAt;
    }

    List<Sample> samples() {
        return samples;
    }

    @Override
    public void close() throws InterruptedException {
        closed = true;
        reader.join(5_000);
        sampler.join(5_000);
        admin.close(Duration.ofSeconds(1));
    }
}
