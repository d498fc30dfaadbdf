package dev.darkroom.tools;

import dev.darkroom.page.Page;
import dev.darkroom.page.PageSettings;
import java.net.BindException;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Opens the page for the commands that show it. */
final class LivePage {

    /** Where the page is unless told otherwise. */
    static final int PORT = 19080;
    /** The workers' consumer group unless told otherwise. */
    static final String GROUP = "darkroom";

    /** The page says where its consumer begins. It must not make topics by looking for them. */
    private static final Map<String, Object> READER = Map.of(
            ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false,
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 2000);

    private LivePage() {
    }

    /**
     * Opens it.
     *
     * @param port that was seen to be free
     * @param known settings of the worker's that are not to be looked up
     * @throws CommandException if the port is taken after all, or a setting is wrong
     */
    static Page open(int port, String bootstrapServers, String group, Map<String, String> known) {
        PageSettings settings;
        try {
            settings = PageSettings.of(port, bootstrapServers, group, known);
        } catch (IllegalArgumentException e) {
            throw new CommandException(e.getMessage() + ".", e);
        }
        KafkaConsumer<byte[], byte[]> consumer = KafkaClients.consumer(bootstrapServers, READER);
        try {
            return Page.start(settings, consumer, KafkaClients.producer(bootstrapServers, new StringSerializer()),
                    KafkaClients.admin(bootstrapServers));
        } catch (BindException e) {
            throw new CommandException("Port %d was taken a moment ago.".formatted(port), e);
        }
    }

    /**
     * The same, of the embedded broker and store.
     *
     * @param known settings of the worker's, beside the store's address and keys
     */
    static Page open(int port, StackProcess stack, Map<String, String> known) {
        Map<String, String> settings = new HashMap<>(known);
        settings.put("darkroom.store.endpoint", stack.storeEndpoint());
        settings.put("darkroom.store.access-key", stack.accessKey());
        settings.put("darkroom.store.secret-key", stack.secretKey());
        return open(port, stack.bootstrapServers(), GROUP, settings);
    }
}
