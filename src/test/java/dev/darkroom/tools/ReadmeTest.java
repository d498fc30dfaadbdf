package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.contract.FailureReason;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.worker.DarkroomConfig;
import io.smallrye.config.WithDefault;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What README.md lists is complete. */
class ReadmeTest {

    private final String readme = Files.readString(Path.of("README.md"));

    ReadmeTest() throws IOException {
    }

    @ParameterizedTest
    @MethodSource("settings")
    void everySettingIsListedWithItsDefault(String row) {
        assertThat(readme).contains(row);
    }

    @ParameterizedTest
    @MethodSource("names")
    void everyProfileAndReasonIsListed(String name) {
        assertThat(readme).contains("\n| `" + name + "` |");
    }

    static Stream<String> settings() {
        return settings("DARKROOM", DarkroomConfig.class);
    }

    private static Stream<String> settings(String prefix, Class<?> mapping) {
        return Arrays.stream(mapping.getDeclaredMethods()).flatMap(method -> {
            String name = prefix + "_" + method.getName().replaceAll("(?=[A-Z])", "_").toUpperCase(Locale.ROOT);
            return method.getReturnType().isInterface() && method.getReturnType().getDeclaringClass() == mapping
                    ? settings(name, method.getReturnType())
                    : Stream.of("\n| `" + name + "` | " + defaultOf(method) + "|");
        });
    }

    private static String defaultOf(Method method) {
        WithDefault value = method.getAnnotation(WithDefault.class);
        return value == null ? " " : "`" + value.value().replace("${java.io.tmpdir}", "/tmp") + "` ";
    }

    static Stream<String> names() {
        return Stream.concat(Profile.all().stream().map(Profile::label),
                Arrays.stream(FailureReason.values()).map(Enum::name));
    }
}
