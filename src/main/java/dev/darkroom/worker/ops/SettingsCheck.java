package dev.darkroom.worker.ops;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.Settings;
import dev.darkroom.worker.store.Retention;
import dev.darkroom.worker.store.StoreSettings;
import io.quarkus.runtime.StartupEvent;
import io.quarkus.runtime.configuration.ConfigurationException;
import io.smallrye.common.annotation.Identifier;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.config.ConfigDef;
import org.eclipse.microprofile.config.Config;
import org.jboss.logging.Logger;

/**
 * Looks at the settings before anything is started with them: what the constraints of {@link DarkroomConfig} cannot say,
 * and names that nothing reads.
 */
@ApplicationScoped
class SettingsCheck {

    private static final Logger LOG = Logger.getLogger(SettingsCheck.class);
    /** Before SmallRye opens its channels. */
    private static final int FIRST = 1;
    /** Environment variables of the launcher and of the tests. */
    private static final Set<String> NOT_THE_WORKERS = Set.of("DARKROOM_JAVA_OPTS", "DARKROOM_GPU", "DARKROOM_STACK",
            "DARKROOM_KAFKA_IMAGE", "DARKROOM_STORE_IMAGE");

    private static final Pattern KAFKA = Pattern.compile("(?:kafka|mp\\.messaging\\.(?:incoming|outgoing)\\.[^.]+)\\.(.+)");
    private static final List<ConfigDef> CLIENTS = List.of(ConsumerConfig.configDef(), ProducerConfig.configDef());

    private final DarkroomConfig config;
    private final Config properties;
    private final Map<String, Object> kafka;

    SettingsCheck(DarkroomConfig config, Config properties, @Identifier("default-kafka-broker") Map<String, Object> kafka) {
        this.config = config;
        this.properties = properties;
        this.kafka = kafka;
    }

    /** @throws ConfigurationException with a sentence for each wrong value, which Quarkus prints as they are */
    void check(@Observes @Priority(FIRST) StartupEvent event) {
        List<String> wrong = new ArrayList<>();
        try {
            StoreSettings.of(config.store());
        } catch (IllegalArgumentException e) {
            wrong.add(e.getMessage() + ".");
        }
        try {
            config.store().retention().ifPresent(Retention::of);
        } catch (IllegalArgumentException e) {
            wrong.add(e.getMessage() + ".");
        }
        try {
            new URI(config.events().source());
        } catch (URISyntaxException e) {
            wrong.add("darkroom.events.source is '" + config.events().source()
                    + "'; it must be a URI reference such as /darkroom.");
        }
        List<String> buckets = config.inputs().buckets().orElse(List.of());
        if (!buckets.stream().allMatch(StoreSettings::isBucket)) {
            wrong.add("darkroom.inputs.buckets is '" + String.join(",", buckets) + "'; it must be names of buckets, separated by "
                    + "commas: " + StoreSettings.BUCKET_ALLOWED + ".");
        }
        DarkroomConfig.Topics topics = config.topics();
        List<String> names = List.of(topics.requests(), topics.completions(), topics.progress(), topics.deadLetters(),
                topics.cancellations(), topics.express());
        if (Set.copyOf(names).size() < names.size()) {
            wrong.add("darkroom.topics.* are " + String.join(", ", names) + "; they must be six different topics.");
        }
        if (!canBeWritten(config.stateDir())) {
            wrong.add("darkroom.state-dir is " + config.stateDir() + "; it must be a folder that can be written to.");
        }
        kafkaTrouble().ifPresent(wrong::add);
        wrong.addAll(wrongForKafka(properties));
        if (!wrong.isEmpty()) {
            throw new ConfigurationException("Darkroom does not start. " + String.join(System.lineSeparator(), wrong));
        }
        unknown(properties.getPropertyNames(), System.getenv().keySet()).forEach(name ->
                LOG.warnf("setting=unknown name=%s then=ignored", name));
    }

    private static boolean canBeWritten(Path folder) {
        try {
            return Files.isWritable(Files.createDirectories(folder));
        } catch (IOException e) {
            return false;
        }
    }

    /** What Kafka's own client says to its settings, without connecting to anything. */
    private Optional<String> kafkaTrouble() {
        try {
            Admin.create(KafkaWatch.settings(kafka)).close(Duration.ZERO);
            return Optional.empty();
        } catch (KafkaException e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return Optional.of("A setting of Kafka's client, kafka.*, is wrong: " + cause.getMessage() + ".");
        }
    }

    /**
     * What consumers and producers would not take, a sentence each. They would say so when they are made, over and over, or in a
     * stack trace. What every client knows, {@link #kafkaTrouble} finds.
     */
    static List<String> wrongForKafka(Config properties) {
        List<String> wrong = new ArrayList<>();
        Set<String> names = new TreeSet<>();
        properties.getPropertyNames().forEach(names::add);
        for (String name : names) {
            Matcher setting = KAFKA.matcher(name);
            if (!setting.matches() || name.startsWith("kafka.") && AdminClientConfig.configNames().contains(setting.group(1))) {
                continue;
            }
            try {
                String value = properties.getOptionalValue(name, String.class).orElse("");
                for (ConfigDef client : CLIENTS) {
                    ConfigDef.ConfigKey key = client.configKeys().get(setting.group(1));
                    if (key != null && !value.isEmpty()) {
                        Object parsed = ConfigDef.parseType(name, value, key.type);
                        if (key.validator != null) {
                            key.validator.ensureValid(name, parsed);
                        }
                    }
                }
            } catch (KafkaException e) {
                wrong.add(e.getMessage() + ".");
            }
        }
        return wrong;
    }

    /** The names among these that look like settings of Darkroom's and are none, sorted. */
    static Set<String> unknown(Iterable<String> properties, Set<String> environment) {
        Set<String> known = Settings.all().keySet();
        Set<String> unknown = new TreeSet<>();
        for (String name : properties) {
            if (name.startsWith(Settings.PREFIX + ".") && known.stream().noneMatch(setting -> isOrHolds(name, setting))) {
                unknown.add(name);
            }
        }
        Set<String> variables = new TreeSet<>();
        known.forEach(setting -> variables.add(variable(setting)));
        environment.stream()
                .filter(name -> name.startsWith(variable(Settings.PREFIX) + "_"))
                .filter(name -> !variables.contains(name) && !NOT_THE_WORKERS.contains(name))
                .forEach(unknown::add);
        // A variable also shows as a property; it is named once, as it was written
        unknown.removeIf(name -> !environment.contains(name) && environment.contains(variable(name)));
        return unknown;
    }

    /** {@code darkroom.warm-up[0]} is an element of {@code darkroom.warm-up}. */
    private static boolean isOrHolds(String name, String setting) {
        return name.equals(setting) || name.startsWith(setting + "[");
    }

    private static String variable(String setting) {
        return setting.replaceAll("[^A-Za-z0-9]", "_").toUpperCase(Locale.ROOT);
    }
}
