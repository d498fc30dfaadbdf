package dev.darkroom.tools;

import dev.darkroom.page.Page;
import dev.darkroom.page.PageSettings;
import java.net.BindException;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Utils;

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
        return start(settings, () -> KafkaClients.consumer(bootstrapServers, READER),
                () -> KafkaClients.producer(bootstrapServers, new StringSerializer()),
                () -> KafkaClients.admin(bootstrapServers));
    }

    /** Starts it with clients that are made one after the other; what was made is closed where the page does not start. */
    static Page start(PageSettings settings, Supplier<Consumer<byte[], byte[]>> consumers,
            Supplier<Producer<String, byte[]>> producers, Supplier<Admin> admins) {
        Consumer<byte[], byte[]> consumer = null;
        Producer<String, byte[]> producer = null;
        Admin admin = null;
        Page page = null;
        try {
            consumer = consumers.get();
            producer = producers.get();
            admin = admins.get();
            page = Page.start(settings, consumer, producer, admin);
            return page;
        } catch (BindException e) {
            throw new CommandException("Port %d was taken a moment ago.".formatted(settings.port()), e);
        } finally {
            if (page == null) {
                Utils.closeQuietly(consumer, "consumer");
                Utils.closeQuietly(producer, "producer");
                Utils.closeQuietly(admin, "admin client");
            }
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
