package dev.darkroom.tools;

import dev.darkroom.page.Page;
import dev.darkroom.page.PageSettings;
import java.net.BindException;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringSerializer;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Opens the page for the commands that show it. */
final class LivePage {

    /** Where the page is unless told otherwise. */
    static final int PORT = 19080;
    /** The workers' consumer group unless told otherwise. */
    static final String GROUP = "darkroom";

    private static final int HIGHEST_PORT = 65_535;

    /** Its consumer reads from where it is told to, in no group. */
    private static final Map<String, Object> READER = Map.of(
            ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false,
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 2000);

    private LivePage() {
    }

    /** @throws ParameterException for what no port can be */
    static void requirePort(CommandSpec spec, String option, int port) {
        if (port < 0 || port > HIGHEST_PORT) {
            throw new ParameterException(spec.commandLine(),
                    "%s is %d; it must be 1 to %d, or 0 for any that is free".formatted(option, port, HIGHEST_PORT));
        }
    }

    /**
     * Opens it.
     *
     * @param portOption what the person writes to name another port
     * @param known settings of the worker's that are not to be looked up
     * @throws CommandException if the port is taken or a setting is wrong
     */
    static Page open(int port, String portOption, String bootstrapServers, String group, Map<String, String> known) {
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
            throw new CommandException("Port %d (%s) is taken, perhaps by another page of Darkroom's. Name another port, or 0 for "
                    .formatted(port, portOption) + "any that is free.", e);
        }
    }

    /** The same, of the embedded broker and store. */
    static Page open(int port, String portOption, StackProcess stack, Map<String, String> known) {
        Map<String, String> settings = new HashMap<>(Map.of(
                "darkroom.store.endpoint", stack.storeEndpoint(),
                "darkroom.store.access-key", stack.accessKey(),
                "darkroom.store.secret-key", stack.secretKey()));
        settings.putAll(known);
        return open(port, portOption, stack.bootstrapServers(), GROUP, settings);
    }
}
