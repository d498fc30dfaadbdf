package dev.darkroom.page;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.EventType;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Outcome;
import dev.darkroom.worker.KafkaBinding;
import io.cloudevents.CloudEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.WakeupException;
import org.jboss.logging.Logger;

/**
 * Reads the workers' topics in no group, from some thousand records before their ends on, on a thread of its own. Topics that
 * are not there are looked for again, and created by nobody. What cannot be read is passed over.
 */
final class TopicFollower implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(TopicFollower.class);

    private static final CloseOptions CLOSING = CloseOptions.timeout(Duration.ofSeconds(1));
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration ANSWER = Duration.ofSeconds(5);
    private static final long LOOK_NANOS = Duration.ofSeconds(2).toNanos();
    /** Progress is of use for what is being generated, and that is not much. */
    private static final int PROGRESS_READ = 1000;
    /** A request that is generated gives signs of life more often than this. */
    private static final Duration PROGRESS_OF_USE = Duration.ofMinutes(2);

    private final Consumer<byte[], byte[]> consumer;
    private final PageSettings settings;
    private final LatestRequests requests;
    private final Throughput throughput;
    private final DeadLetters letters;
    private final Thread thread = new Thread(this::run, "page-topics");
    private final CountDownLatch closed = new CountDownLatch(1);
    private volatile String problem = "";

    /** @param consumer becomes this object's own; it must not create topics */
    TopicFollower(Consumer<byte[], byte[]> consumer, PageSettings settings, LatestRequests requests, Throughput throughput,
            DeadLetters letters) {
        this.consumer = consumer;
        this.settings = settings;
        this.requests = requests;
        this.throughput = throughput;
        this.letters = letters;
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** Why nothing is read, in a sentence; empty if all is well. */
    String problem() {
        return problem;
    }

    private void run() {
        long looked = System.nanoTime() - LOOK_NANOS;
        try {
            while (closed.getCount() > 0) {
                try {
                    if (System.nanoTime() - looked >= LOOK_NANOS) {
                        problem = look();
                        looked = System.nanoTime();
                    }
                    if (consumer.assignment().isEmpty()) {
                        closed.await(POLL.toMillis(), TimeUnit.MILLISECONDS);
                    } else {
                        consumer.poll(POLL).forEach(this::take);
                    }
                } catch (TimeoutException e) {
                    problem = "No Kafka broker answers at %s.".formatted(settings.bootstrapServers());
                } catch (WakeupException | InterruptException e) {
                    return;
                } catch (RuntimeException e) {
                    // Whatever it is, it is told: without this thread the page would show for ever what it had
                    problem = "Kafka at %s refuses: %s".formatted(settings.bootstrapServers(), e.getMessage());
                    closed.await(1, TimeUnit.SECONDS);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            consumer.close(CLOSING);
        }
    }

    /** Looks for topics and partitions that are new. */
    private String look() {
        Map<String, List<PartitionInfo>> all = consumer.listTopics(ANSWER);
        Set<TopicPartition> known = consumer.assignment();
        List<TopicPartition> fresh = settings.allTopics().stream().distinct()
                .flatMap(topic -> all.getOrDefault(topic, List.of()).stream())
                .map(info -> new TopicPartition(info.topic(), info.partition()))
                .filter(partition -> !known.contains(partition))
                .toList();
        if (!fresh.isEmpty()) {
            List<TopicPartition> assigned = new ArrayList<>(known);
            assigned.addAll(fresh);
            Map<TopicPartition, Long> begins = consumer.beginningOffsets(fresh, ANSWER);
            Map<TopicPartition, Long> ends = consumer.endOffsets(fresh, ANSWER);
            consumer.assign(assigned);
            fresh.forEach(partition -> {
                int share = share(partition.topic(), all.get(partition.topic()).size());
                consumer.seek(partition, Math.max(begins.get(partition), ends.get(partition) - share));
            });
        }
        // The others may never be needed
        return Stream.of(settings.topics().requests(), settings.topics().completions())
                .filter(topic -> !all.containsKey(topic)).findFirst()
                .map(missing -> "There is no topic %s at %s yet.".formatted(missing, settings.bootstrapServers())).orElse("");
    }

    private int share(String topic, int partitions) {
        int records = topic.equals(settings.topics().progress()) ? PROGRESS_READ : LatestRequests.LIMIT;
        return (records + partitions - 1) / partitions;
    }

    private void take(ConsumerRecord<byte[], byte[]> record) {
        try {
            String topic = record.topic();
            if (topic.equals(settings.topics().requests())) {
                RequestRecord.of(record, "ordinary").ifPresent(requests::requested);
            } else if (topic.equals(settings.topics().express())) {
                RequestRecord.of(record, "express").ifPresent(requests::requested);
            } else if (topic.equals(settings.topics().deadLetters())) {
                letters.add(record);
                DeadLetters.from(record).ifPresent(requests::remove);
            } else {
                KafkaBinding.event(record).ifPresent(event -> take(event, record.timestamp()));
            }
        } catch (RuntimeException e) {
            // Anything may lie on a topic, and one record is not to stop the others
            LOG.debugf(e, "record=%s unreadable", RecordPlace.of(record));
        }
    }

    private void take(CloudEvent event, long timestamp) {
        String source = event.getSource().toString();
        if (EventType.PROGRESS.type().equals(event.getType())) {
            if (timestamp > System.currentTimeMillis() - PROGRESS_OF_USE.toMillis()) {
                requests.progressed(Events.progress(event), source, timestamp);
            }
            return;
        }
        Outcome outcome = Events.outcome(event);
        requests.concluded(event, outcome, timestamp);
        if (outcome instanceof Completed completed) {
            throughput.completed(completed, source, timestamp);
        }
    }

    @Override
    public void close() {
        closed.countDown();
        if (thread.getState() == Thread.State.NEW) {
            consumer.close(CLOSING);
            return;
        }
        consumer.wakeup();
        try {
            thread.join(Duration.ofSeconds(3).toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
