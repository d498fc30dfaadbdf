package dev.darkroom.page;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * How many records wait in each lane: the ends of its partitions less what the workers' group has committed, every two seconds.
 * What the group has committed also tells which requests are done.
 */
final class GroupLag implements AutoCloseable {

    private static final long PERIOD_SECONDS = 2;
    private static final long ANSWER_SECONDS = 5;
    /** An outcome is on its topic before its request's offset is committed, but may be read a moment later. */
    private static final Duration OUTCOME_READ = Duration.ofSeconds(10);
    private static final Duration SILENT = Duration.ofMinutes(10);

    private final Admin admin;
    private final PageSettings settings;
    private final LatestRequests requests;
    private final Deque<Commits> earlier = new ArrayDeque<>();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "page-lag");
        thread.setDaemon(true);
        return thread;
    });
    private volatile Map<String, Long> lags = Map.of();

    private record Commits(long time, List<RecordPlace> next) {
    }

    /** @param admin becomes this object's own */
    GroupLag(Admin admin, PageSettings settings, LatestRequests requests) {
        this.admin = admin;
        this.settings = settings;
        this.requests = requests;
    }

    void start() {
        timer.scheduleWithFixedDelay(this::look, 0, PERIOD_SECONDS, TimeUnit.SECONDS);
    }

    /** The records of a topic that wait; empty while the broker has not told, or has no such topic. */
    Optional<Long> of(String topic) {
        return Optional.ofNullable(lags.get(topic));
    }

    private void look() {
        try {
            lags = ask();
        } catch (ExecutionException | TimeoutException | RuntimeException e) {
            // The timer ends with what escapes it
            lags = Map.of();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        long now = System.currentTimeMillis();
        requests.removeSilent(now - SILENT.toMillis());
    }

    private Map<String, Long> ask() throws ExecutionException, InterruptedException, TimeoutException {
        List<TopicPartition> partitions = new ArrayList<>();
        var descriptions = admin.describeTopics(Set.of(settings.topics().requests(), settings.topics().express()))
                .topicNameValues();
        for (KafkaFuture<TopicDescription> described : descriptions.values()) {
            try {
                TopicDescription topic = described.get(ANSWER_SECONDS, TimeUnit.SECONDS);
                topic.partitions().forEach(info -> partitions.add(new TopicPartition(topic.name(), info.partition())));
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
            }
        }
        Map<TopicPartition, OffsetAndMetadata> committed = admin.listConsumerGroupOffsets(settings.group())
                .partitionsToOffsetAndMetadata().get(ANSWER_SECONDS, TimeUnit.SECONDS);
        Map<TopicPartition, Long> ends = offsets(partitions, OffsetSpec.latest());
        Map<TopicPartition, Long> begins = offsets(partitions, OffsetSpec.earliest());
        Map<String, Long> waiting = new HashMap<>();
        List<RecordPlace> next = new ArrayList<>();
        for (TopicPartition partition : partitions) {
            OffsetAndMetadata commit = committed.get(partition);
            long from = Math.max(begins.get(partition), commit == null ? 0 : commit.offset());
            waiting.merge(partition.topic(), Math.max(0, ends.get(partition) - from), Long::sum);
            next.add(new RecordPlace(partition.topic(), partition.partition(), from));
        }
        removeDone(next);
        return waiting;
    }

    private void removeDone(List<RecordPlace> next) {
        long now = System.currentTimeMillis();
        earlier.addLast(new Commits(now, next));
        Commits old = null;
        while (earlier.peekFirst().time() < now - OUTCOME_READ.toMillis()) {
            old = earlier.removeFirst();
        }
        if (old != null) {
            requests.removeDone(old.next(), now - OUTCOME_READ.toMillis());
        }
    }

    private Map<TopicPartition, Long> offsets(List<TopicPartition> partitions, OffsetSpec which)
            throws ExecutionException, InterruptedException, TimeoutException {
        Map<TopicPartition, OffsetSpec> question = new HashMap<>();
        partitions.forEach(partition -> question.put(partition, which));
        Map<TopicPartition, Long> offsets = new HashMap<>();
        admin.listOffsets(question).all().get(ANSWER_SECONDS, TimeUnit.SECONDS)
                .forEach((partition, result) -> offsets.put(partition, result.offset()));
        return offsets;
    }

    @Override
    public void close() {
        timer.shutdownNow();
        admin.close(Duration.ofSeconds(1));
    }
}
