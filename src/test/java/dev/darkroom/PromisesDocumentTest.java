package dev.darkroom;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The tests that docs/architecture.md names are there. */
class PromisesDocumentTest {

    private static final Path TESTS = Path.of("src", "test", "java");

    @ParameterizedTest
    @MethodSource("tests")
    void aTestThatHoldsAPromiseIsThere(String type, String method) throws IOException {
        try (Stream<Path> files = Files.walk(TESTS)) {
            List<Path> sources = files.filter(file -> file.endsWith(type + ".java")).toList();
            assertThat(sources).as(type).isNotEmpty();
            assertThat(sources).anySatisfy(source ->
                    assertThat(Files.readString(source)).contains(method.isEmpty() ? "class " + type : "void " + method + "("));
        }
    }

    static Stream<Arguments> tests() throws IOException {
        return Pattern.compile("`(\\w+(?:Test|IT))(?:\\.(\\w+))?`").matcher(Files.readString(Path.of("docs", "architecture.md")))
                .results().map(PromisesDocumentTest::arguments);
    }

    private static Arguments arguments(MatchResult found) {
        return Arguments.of(found.group(1), found.group(2) == null ? "" : found.group(2));
    }
}
