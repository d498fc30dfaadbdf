package dev.darkroom.worker.ops;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.store.Retention;
import dev.darkroom.worker.store.StoreSettings;
import io.quarkus.runtime.StartupEvent;
import io.quarkus.runtime.configuration.ConfigurationException;
import io.smallrye.common.annotation.Identifier;
import io.smallrye.config.ConfigMapping;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.io.IOException;
import java.lang.reflect.Method;
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
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.eclipse.microprofile.config.Config;
import org.jboss.logging.Logger;

/**
 * Looks at the settings before anything is started with them: what the constraints of {@link DarkroomConfig} cannot say,
 * and names that nothing reads.
 */
@ApplicationScoped
class SettingsCheck {

    private static final Logger LOG = Logger.getLogger(SettingsCheck.class);
    private static final String PREFIX = DarkroomConfig.class.getAnnotation(ConfigMapping.class).prefix();
    /** Before SmallRye opens its channels. */
    private static final int FIRST = 1;
    /** Environment variables of the launcher and of the tests. */
    private static final Set<String> NOT_THE_WORKERS = Set.of("DARKROOM_JAVA_OPTS", "DARKROOM_GPU", "DARKROOM_STACK",
            "DARKROOM_KAFKA_IMAGE", "DARKROOM_STORE_IMAGE");

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

    /** The names among these that look like settings of Darkroom's and are none, sorted. */
    static Set<String> unknown(Iterable<String> properties, Set<String> environment) {
        List<String> known = settings(PREFIX, DarkroomConfig.class).toList();
        Set<String> unknown = new TreeSet<>();
        for (String name : properties) {
            if (name.startsWith(PREFIX + ".") && known.stream().noneMatch(setting -> isOrHolds(name, setting))) {
                unknown.add(name);
            }
        }
        Set<String> variables = new TreeSet<>();
        known.forEach(setting -> variables.add(variable(setting)));
        environment.stream()
                .filter(name -> name.startsWith(variable(PREFIX) + "_"))
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

    private static Stream<String> settings(String prefix, Class<?> group) {
        return Stream.of(group.getDeclaredMethods())
                .filter(method -> !method.isSynthetic() && method.getParameterCount() == 0)
                .flatMap(method -> setting(prefix, method));
    }

    private static Stream<String> setting(String prefix, Method method) {
        String name = prefix + "." + method.getName().replaceAll("([a-z])([A-Z])", "$1-$2").toLowerCase(Locale.ROOT);
        Class<?> type = method.getReturnType();
        return type.getEnclosingClass() == DarkroomConfig.class && type.isInterface()
                ? settings(name, type) : Stream.of(name);
    }
}
