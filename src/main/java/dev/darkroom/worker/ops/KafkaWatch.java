package dev.darkroom.worker.ops;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.KafkaSettings;
import dev.darkroom.worker.WorkerThreads;
import dev.darkroom.worker.cancel.CancellationConsumer;
import dev.darkroom.worker.claim.Lane;
import dev.darkroom.worker.outcome.KafkaPublisher;
import io.quarkus.runtime.StartupEvent;
import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.KafkaClientService;
import io.smallrye.reactive.messaging.kafka.KafkaConsumer;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * Whether Kafka lets the worker do its work: a broker answers, the topics are there, the worker has its rights to them
 * and to its group, and its consumer is heard by the group.
 */
@ApplicationScoped
class KafkaWatch {

    private static final Duration INTERVAL = Duration.ofSeconds(3);
    private static final Duration PATIENCE = Duration.ofSeconds(15);
    private static final int CALL_TIMEOUT_MS = 5_000;
    private static final ThreadFactory ASKING = WorkerThreads.named("topics");

    private final List<Lane> lanes;
    /** The topics that have to be there, and what the worker does with them. */
    private final Map<String, AclOperation> needed = new LinkedHashMap<>();
    private final CancellationConsumer cancellations;
    private final KafkaPublisher publisher;
    private final KafkaClientService kafka;
    private final Map<String, Object> settings;
    private Admin admin;
    private Watch watch;
    /** Brokers that create topics do so when a client asks for one. Others keep it waiting, which a look must not. */
    private Thread asking;

    KafkaWatch(DarkroomConfig config, CancellationConsumer cancellations, KafkaPublisher publisher, KafkaClientService kafka,
            @Identifier("default-kafka-broker") Map<String, Object> broker) {
        this.lanes = Stream.of(Lane.values()).filter(lane -> lane != Lane.EXPRESS || config.express().enabled()).toList();
        lanes.forEach(lane -> needed.put(lane.topic(config.topics()), AclOperation.READ));
        needed.put(config.topics().completions(), AclOperation.WRITE);
        needed.put(config.topics().deadLetters(), AclOperation.WRITE);
        if (config.cancellations().enabled()) {
            needed.put(config.topics().cancellations(), AclOperation.READ);
        }
        this.cancellations = cancellations;
        this.publisher = publisher;
        this.kafka = kafka;
        this.settings = settings(broker);
    }

    /** Settings of an admin client that answers soon, from those of Kafka's clients in general. */
    static Map<String, Object> settings(Map<String, Object> broker) {
        Map<String, Object> settings = new HashMap<>(Map.of(
                AdminClientConfig.CLIENT_ID_CONFIG, "darkroom-watch",
                AdminClientConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG, 2_000));
        settings.putAll(KafkaSettings.among(AdminClientConfig.configNames(), broker));
        settings.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, CALL_TIMEOUT_MS);
        settings.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, CALL_TIMEOUT_MS);
        return settings;
    }

    void start(@Observes StartupEvent event) {
        admin = Admin.create(settings);
        watch = new Watch("Kafka", INTERVAL, PATIENCE, this::look);
    }

    /** What keeps the worker from consuming or publishing, a sentence; empty if nothing does. */
    Optional<String> trouble() {
        return watch.trouble()
                .or(() -> lanes.stream().map(this::consumerTrouble).flatMap(Optional::stream).findFirst())
                .or(cancellations::trouble);
    }

    private Optional<String> look() {
        try {
            return topics().or(this::group);
        } catch (LookFailedException e) {
            if (e.getCause() instanceof AuthenticationException) {
                return Optional.of("Kafka does not accept the worker's credentials.");
            }
            throw e;
        }
    }

    private static final class LookFailedException extends RuntimeException {
        LookFailedException(Throwable cause) {
            super(cause);
        }
    }

    private Optional<String> topics() {
        List<String> missing = new ArrayList<>();
        Optional<String> right = Optional.empty();
        Map<String, KafkaFuture<TopicDescription>> described = admin.describeTopics(needed.keySet(),
                new DescribeTopicsOptions().includeAuthorizedOperations(true)).topicNameValues();
        for (Map.Entry<String, AclOperation> topic : needed.entrySet()) {
            Optional<String> noRight = Optional.of(noRight(topic.getValue(), "topic " + topic.getKey()));
            try {
                if (lacks(answer(described.get(topic.getKey())).authorizedOperations(), topic.getValue())) {
                    right = right.or(() -> noRight);
                }
            } catch (LookFailedException e) {
                if (e.getCause() instanceof TopicAuthorizationException) {
                    right = right.or(() -> noRight);
                } else if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                    missing.add(topic.getKey());
                } else {
                    throw e;
                }
            }
        }
        if (!missing.isEmpty() && (asking == null || !asking.isAlive())) {
            asking = ASKING.newThread(() -> missing.forEach(publisher::touch));
            asking.start();
        }
        return missing.isEmpty() ? right : Optional.of(missing.size() == 1
                ? "The topic %s is missing.".formatted(missing.get(0))
                : "The topics %s are missing.".formatted(String.join(", ", missing)));
    }

    private static <T> T answer(KafkaFuture<T> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw new LookFailedException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new LookFailedException(e);
        }
    }

    private Optional<String> group() {
        KafkaConsumer<byte[], byte[]> consumer = kafka.getConsumer(Lane.ORDINARY.channel());
        if (consumer == null) {
            return Optional.empty();
        }
        String group = String.valueOf(consumer.configuration().get(ConsumerConfig.GROUP_ID_CONFIG));
        try {
            Set<AclOperation> allowed = answer(admin.describeConsumerGroups(List.of(group),
                            new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true))
                    .describedGroups().get(group)).authorizedOperations();
            return lacks(allowed, AclOperation.READ)
                    ? Optional.of(noRight(AclOperation.READ, "group " + group)) : Optional.empty();
        } catch (LookFailedException e) {
            if (e.getCause() instanceof GroupAuthorizationException) {
                return Optional.of(noRight(AclOperation.READ, "group " + group));
            }
            if (e.getCause() instanceof GroupIdNotFoundException) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Brokers without authorisation, or of long ago, do not say what is allowed. */
    private static boolean lacks(Set<AclOperation> allowed, AclOperation operation) {
        return allowed != null && !allowed.isEmpty() && !allowed.contains(operation) && !allowed.contains(AclOperation.ALL);
    }

    private static String noRight(AclOperation operation, String resource) {
        return "The worker has no right to %s the %s.".formatted(operation == AclOperation.READ ? "read" : "write", resource);
    }

    private Optional<String> consumerTrouble(Lane lane) {
        KafkaConsumer<byte[], byte[]> consumer = kafka.getConsumer(lane.channel());
        if (consumer == null) {
            return Optional.of("The consumer of %s requests is not there yet.".formatted(lane));
        }
        double poll = secondsAgo(consumer, "last-poll-seconds-ago");
        double heartbeat = secondsAgo(consumer, "last-heartbeat-seconds-ago");
        if (poll > PATIENCE.toSeconds()) {
            return Optional.of("The %s requests have not been polled for %.0f s.".formatted(lane, poll));
        }
        if (heartbeat < 0) {
            return Optional.of("The worker has not joined its consumer group yet.");
        }
        return heartbeat > PATIENCE.toSeconds()
                ? Optional.of("The worker's consumer group has not been heard of for %.0f s.".formatted(heartbeat))
                : Optional.empty();
    }

    /** A metric of Kafka's consumer; -1 where it never happened. */
    private static double secondsAgo(KafkaConsumer<byte[], byte[]> consumer, String metric) {
        return consumer.unwrap().metrics().entrySet().stream()
                .filter(entry -> entry.getKey().name().equals(metric))
                .mapToDouble(entry -> ((Number) entry.getValue().metricValue()).doubleValue())
                .findFirst().orElse(-1);
    }

    @PreDestroy
    void close() {
        watch.close();
        admin.close(Duration.ZERO);
    }
}
