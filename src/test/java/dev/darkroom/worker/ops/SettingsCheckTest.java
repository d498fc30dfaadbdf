package dev.darkroom.worker.ops;

import static org.assertj.core.api.Assertions.assertThat;

import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.eclipse.microprofile.config.Config;
import org.junit.jupiter.api.Test;

class SettingsCheckTest {

    @Test
    void namesThatNothingReadsAreFound() {
        assertThat(SettingsCheck.unknown(List.of("darkroom.flow.inflight", "darkroom.flow.in-flight", "quarkus.x"),
                Set.of("DARKROOM_TOPIC", "PATH"))).containsExactly("DARKROOM_TOPIC", "darkroom.flow.inflight");
    }

    @Test
    void everySettingIsKnownByBothItsNames() {
        assertThat(SettingsCheck.unknown(List.of("darkroom.bundle", "darkroom.state-dir", "darkroom.warm-up",
                        "darkroom.warm-up[0]", "darkroom.topics.dead-letters", "darkroom.store.create-bucket"),
                Set.of("DARKROOM_BUNDLE", "DARKROOM_STATE_DIR", "DARKROOM_WARM_UP", "DARKROOM_TOPICS_DEAD_LETTERS",
                        "DARKROOM_STORE_CREATE_BUCKET", "DARKROOM_JAVA_OPTS"))).isEmpty();
    }

    /** SmallRye makes a property of every environment variable. */
    @Test
    void aVariableIsNamedOnceAsItWasWritten() {
        assertThat(SettingsCheck.unknown(List.of("darkroom.flow.drain.time"), Set.of("DARKROOM_FLOW_DRAIN_TIME")))
                .containsExactly("DARKROOM_FLOW_DRAIN_TIME");
    }

    @Test
    void whatKafkasConsumersAndProducersWouldNotTakeIsNamed() {
        assertThat(SettingsCheck.wrongForKafka(config(Map.of("kafka.max.poll.records", "many", "kafka.acks", "some",
                "mp.messaging.incoming.requests.max.poll.records", "0", "mp.messaging.incoming.requests.group.id", "mine",
                "kafka.request.timeout.ms", "5000", "kafka.unknown", "x", "kafka.fetch.min.bytes", ""))))
                .satisfiesExactly(
                        sentence -> assertThat(sentence).startsWith("Invalid value some for configuration kafka.acks: "),
                        sentence -> assertThat(sentence).startsWith("Invalid value many for configuration "
                                + "kafka.max.poll.records: Not a number"),
                        sentence -> assertThat(sentence).startsWith("Invalid value 0 for configuration "
                                + "mp.messaging.incoming.requests.max.poll.records: Value must be at least 1."));
    }

    private static Config config(Map<String, String> settings) {
        return new SmallRyeConfigBuilder().withSources(new PropertiesConfigSource(settings, "test", 100)).build();
    }
}
