package dev.darkroom.worker.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.store.Encryption;
import dev.darkroom.worker.store.StoreKeys;
import dev.darkroom.worker.store.StoreSettings;
import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.net.URI;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** From the configuration to the store's settings. */
class WorkerBeansTest {

    private static final Map<String, String> ELSEWHERE = Map.of("endpoint", "https://s3.example.com");

    @Test
    void atTheDefaultEndpointTheStacksKeysAreKnown() {
        assertThat(settings(Map.of()).keys()).hasValue(new StoreKeys("darkroom", "darkroom-secret", Optional.empty()));
    }

    @Test
    void elsewhereAWorkerWithoutKeysAsksItsSurroundings() {
        assertThat(settings(ELSEWHERE).keys()).isEmpty();
        assertThat(settings(Map.of("endpoint", "https://s3.example.com", "access-key", "", "secret-key", "")).keys()).isEmpty();
    }

    @Test
    void keysThatAreGivenAreTaken() {
        assertThat(settings(Map.of("access-key", "a", "secret-key", "b", "session-token", "c")).keys())
                .hasValue(new StoreKeys("a", "b", Optional.of("c")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"access-key", "secret-key", "session-token"})
    void noneOfThemIsGivenAlone(String alone) {
        assertThatThrownBy(() -> settings(Map.of(alone, "x"))).isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("darkroom\\.store\\.(access|secret)-key is missing; access-key and secret-key go together, "
                        + "and a session-token with both");
    }

    @Test
    void encryptionPrefixAndPublicEndpointArePassedOn() {
        StoreSettings settings = settings(Map.of("encryption", "aws:kms", "encryption-key", "alias/darkroom", "prefix", "team-a",
                "public-endpoint", "https://images.example.com"));

        assertThat(settings.encryption()).hasValue(new Encryption(Encryption.KMS, Optional.of("alias/darkroom")));
        assertThat(settings.prefix()).isEqualTo("team-a");
        assertThat(settings.publicEndpoint()).hasValue(URI.create("https://images.example.com"));
        assertThatThrownBy(() -> settings(Map.of("encryption-key", "k")))
                .hasMessage("darkroom.store.encryption-key goes with darkroom.store.encryption=aws:kms");
    }

    private static StoreSettings settings(Map<String, String> store) {
        return StoreSettings.of(config(store).store());
    }

    static DarkroomConfig config(Map<String, String> store) {
        Map<String, String> values = new HashMap<>(Map.of("java.io.tmpdir", "/tmp"));
        store.forEach((name, value) -> values.put("darkroom.store." + name, value));
        return new SmallRyeConfigBuilder().withMapping(DarkroomConfig.class).addDefaultInterceptors().addDiscoveredConverters()
                .withSources(new PropertiesConfigSource(values, "test", 100)).build().getConfigMapping(DarkroomConfig.class);
    }
}
