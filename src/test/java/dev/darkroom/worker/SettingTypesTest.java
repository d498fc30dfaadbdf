package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.diffusion.Profile;
import io.smallrye.config.ConfigValidationException;
import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What is said of settings that are not of their type. */
class SettingTypesTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            flow.linger           | 12 parsecs | is '12 parsecs'; it must be a time from 0s to 1m, written as 500ms, 30s, 5m or 1d
            store.retention       | a month    | is 'a month'; it must be a time such as 500ms, 30s, 5m or 1d
            flow.drain-timeout    | ""         | is empty; it must be a time from 0s to 1h, written as 500ms
            flow.in-flight        | many       | is 'many'; it must be a whole number from 1 to 1024
            flow.in-flight        | 1.5        | is '1.5'; it must be a whole number from 1 to 1024
            flow.delivery-threads | 8 threads  | is '8 threads'; it must be a whole number from 1 to 64
            device.index          | cuda:0     | is 'cuda:0'; it must be a whole number from -1
            inputs.max-bytes      | 20M        | is '20M'; it must be a whole number from 1 to 268435456
            flow.express-share    | half       | is 'half'; it must be from 0.01 to 0.99
            store.create-bucket   | ture       | is 'ture'; it must be true or false
            store.endpoint        | a b        | is 'a b'; it must be an address such as https://s3.example.com:9000
            warm-up               | fast,final?| is 'fast,final?'; there is no profile final?; there are
            warm-up[1]            | fastest    | is 'fastest'; there is no profile fastest; there are
            safety.policy         | hide       | is 'hide'; there is no policy hide; there are
            """)
    void theSettingIsNamedWithWhatWasWrongAndWhatIsAllowed(String setting, String value, String sentence) {
        assertThat(refusal("darkroom." + setting, value)).startsWith("darkroom." + setting + " " + sentence);
    }

    @ParameterizedTest
    @MethodSource("typed")
    void noTypeIsLeftToTheWordsOfItsConverter(String setting) {
        assertThat(refusal(setting, "12 parsecs")).startsWith(setting + " is '12 parsecs'; ")
                .doesNotContain("SRCFG", "Exception", "a text");
    }

    static Stream<String> typed() {
        return Settings.all().entrySet().stream().filter(setting -> !isText(setting.getValue())).map(Map.Entry::getKey);
    }

    private static boolean isText(Method setting) {
        String type = setting.getGenericReturnType().getTypeName();
        return type.contains("java.lang.String") || type.contains(Path.class.getName());
    }

    @Test
    void allThatAreWrongAreNamedAtOnce() {
        assertThatThrownBy(() -> read(Map.of("darkroom.flow.linger", "soon", "darkroom.progress.enabled", "maybe")))
                .isInstanceOf(ConfigValidationException.class)
                .hasMessageContaining("darkroom.flow.linger is 'soon'")
                .hasMessageContaining("darkroom.progress.enabled is 'maybe'");
    }

    @Test
    void whatIsRightIsTakenAsEver() {
        DarkroomConfig config = read(Map.of("darkroom.flow.linger", "PT0.5S", "darkroom.flow.drain-timeout", "30",
                "darkroom.progress.enabled", "OFF", "darkroom.warm-up", "fast, final", "darkroom.store.retention", "",
                "darkroom.flow.in-flight", " 8 "));

        assertThat(config.flow().linger()).hasMillis(500);
        assertThat(config.flow().drainTimeout()).hasSeconds(30);
        assertThat(config.progress().enabled()).isFalse();
        assertThat(config.warmUp()).extracting(Profile::label).containsExactly("fast", "final");
        assertThat(config.store().retention()).isEmpty();
        assertThat(config.flow().inFlight()).isEqualTo(8);
        assertThatCode(() -> read(Map.of())).doesNotThrowAnyException();
    }

    private static String refusal(String setting, String value) {
        try {
            read(Map.of(setting, value));
        } catch (ConfigValidationException e) {
            assertThat(e.getProblemCount()).isEqualTo(1);
            return e.getProblem(0).getMessage();
        }
        throw new AssertionError(setting + " took " + value);
    }

    private static DarkroomConfig read(Map<String, String> settings) {
        return new SmallRyeConfigBuilder()
                .withMapping(DarkroomConfig.class)
                .addDefaultInterceptors()
                .addDiscoveredInterceptors()
                .addDiscoveredConverters()
                .withSources(new PropertiesConfigSource(settings, "test", 100))
                .withDefaultValue("java.io.tmpdir", "/tmp")
                .build().getConfigMapping(DarkroomConfig.class);
    }
}
