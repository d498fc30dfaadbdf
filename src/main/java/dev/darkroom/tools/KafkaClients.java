package dev.darkroom.tools;

import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Clients of Kafka as commands use them: a person waits, so that none tries for longer than {@link #PATIENCE}. Further
 * settings, such as {@code KAFKA_SECURITY_PROTOCOL}, come from the environment, the way that the worker takes them.
 */
final class KafkaClients {

    static final Duration PATIENCE = Duration.ofSeconds(10);

    private static final String ENVIRONMENT_PREFIX = "KAFKA_";

    private KafkaClients() {
    }

    /** @throws CommandException if the addresses are not of the form {@code host:port,…}, or another setting is wrong */
    static <K> KafkaProducer<K, byte[]> producer(String bootstrapServers, Serializer<K> keys) {
        Map<String, Object> settings = fromEnvironment(ProducerConfig.configNames());
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrapServers);
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, PATIENCE.toMillis());
        settings.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis() / 2);
        settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis());
        return made(bootstrapServers, () -> new KafkaProducer<>(settings, keys, new ByteArraySerializer()));
    }

    /**
     * A consumer that commits nothing by itself.
     *
     * @param more settings beside those
     * @throws CommandException if the addresses are not of the form {@code host:port,…}, or another setting is wrong
     */
    static KafkaConsumer<byte[], byte[]> consumer(String bootstrapServers, Map<String, Object> more) {
        Map<String, Object> settings = fromEnvironment(ConsumerConfig.configNames());
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrapServers);
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis());
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.putAll(more);
        return made(bootstrapServers, () ->
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
    }

    /** @throws CommandException if the addresses are not of the form {@code host:port,…}, or another setting is wrong */
    static Admin admin(String bootstrapServers) {
        Map<String, Object> settings = fromEnvironment(AdminClientConfig.configNames());
        settings.put(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrapServers);
        settings.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis());
        settings.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) PATIENCE.toMillis() / 2);
        return made(bootstrapServers, () -> Admin.create(settings));
    }

    /** What is said of a failure of Kafka's client. */
    static CommandException failure(String bootstrapServers, Throwable cause) {
        return cause instanceof TimeoutException
                ? new CommandException("No Kafka broker answered at %s within %d s.".formatted(
                        bootstrapServers, PATIENCE.toSeconds()), cause)
                : new CommandException("Kafka at " + bootstrapServers + " refused: " + cause.getMessage(), cause);
    }

    private static <T> T made(String bootstrapServers, Supplier<T> client) {
        try {
            return client.get();
        } catch (KafkaException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new CommandException("Kafka at " + bootstrapServers + " cannot be used: " + cause.getMessage(), e);
        }
    }

    private static Map<String, Object> fromEnvironment(Set<String> names) {
        Map<String, Object> settings = new HashMap<>();
        System.getenv().forEach((name, value) -> {
            if (name.startsWith(ENVIRONMENT_PREFIX)) {
                String setting = name.substring(ENVIRONMENT_PREFIX.length()).toLowerCase(Locale.ROOT).replace('_', '.');
                if (names.contains(setting)) {
                    settings.put(setting, value);
                }
            }
        });
        return settings;
    }
}
