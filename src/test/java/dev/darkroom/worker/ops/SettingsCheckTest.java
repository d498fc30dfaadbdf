package dev.darkroom.worker.ops;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
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
}
