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
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What README.md and docs/operations.md list is complete, and their links lead somewhere. */
class ReadmeTest {

    private static final Path README = Path.of("README.md");
    private static final Path OPERATIONS = Path.of("docs", "operations.md");
    private static final Pattern LINK = Pattern.compile("\\]\\((?!https?:)([^)#\\s]*)(?:#([^)\\s]+))?\\)");
    private static final Pattern HEADING = Pattern.compile("(?m)^#+ (.+)$");

    @ParameterizedTest
    @MethodSource("settings")
    void everySettingIsListedWithItsDefault(String row) throws IOException {
        assertThat(Files.readString(OPERATIONS)).contains(row);
    }

    @ParameterizedTest
    @MethodSource("names")
    void everyProfileAndReasonIsListed(String name) throws IOException {
        assertThat(Files.readString(README)).contains("\n| `" + name + "` |");
    }

    @ParameterizedTest
    @MethodSource("documents")
    void everyLinkLeadsSomewhere(Path document) throws IOException {
        assertThat(LINK.matcher(Files.readString(document)).results()).allSatisfy(link -> {
            Path target = link.group(1).isEmpty() ? document : document.resolveSibling(link.group(1)).normalize();
            assertThat(target).as(link.group()).exists();
            if (link.group(2) != null) {
                assertThat(anchors(target)).as(link.group()).contains(link.group(2));
            }
        });
    }

    static Stream<Path> documents() throws IOException {
        try (Stream<Path> docs = Files.walk(Path.of("docs"))) {
            return Stream.concat(Stream.of(README, Path.of("CONTRIBUTING.md")),
                    docs.filter(file -> file.toString().endsWith(".md")).toList().stream());
        }
    }

    /** As GitHub makes them. */
    private static Stream<String> anchors(Path document) throws IOException {
        return HEADING.matcher(Files.readString(document)).results().map(heading -> heading.group(1)
                .toLowerCase(Locale.ROOT).replaceAll("[^\\p{L}\\p{N} _-]", "").replace(' ', '-'));
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
