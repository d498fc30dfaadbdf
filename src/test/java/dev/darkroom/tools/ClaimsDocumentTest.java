package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The commands of README.md and docs/claims.md are such that can be given: subcommands and options are there, tests and their
 * methods, modules and files.
 */
class ClaimsDocumentTest {

    private static final Path CLAIMS = Path.of("docs", "claims.md");
    private static final Path JAVA_TESTS = Path.of("src", "test", "java");
    private static final Path PYTHON_TESTS = Path.of("src", "test", "python");
    private static final Path PYTHON = Path.of("src", "main", "python");
    private static final Pattern CODE = Pattern.compile("`([^`]+)`");
    /** What stands between the signs that join commands, quoted or not. */
    private static final Pattern SIMPLE = Pattern.compile("(?:\"[^\"]*\"|'[^']*'|[^\"'&;|<>()])+");
    private static final Pattern WORD = Pattern.compile("\"([^\"]*)\"|'([^']*)'|(\\S+)");
    private static final Pattern JAVA_TEST = Pattern.compile("(\\w+(?:Test|IT))(?:\\.(\\w+))?");
    private static final Pattern PYTHON_TEST = Pattern.compile("(?:src/test/python/)?([\\w/]+\\.py)(?:::(\\w+))?");
    private static final Pattern SETTING = Pattern.compile("[A-Z][A-Z0-9_]*=.*");

    @ParameterizedTest
    @MethodSource("commandLines")
    void aCommandIsUnderstood(List<String> arguments) throws IOException {
        if (arguments.get(0).equals("faults")) {
            assertHasOptions(JAVA_TESTS.resolve("dev/darkroom/faults/FaultsMain.java"), arguments);
            return;
        }
        // Asked for its help a command looks at all its arguments, and does nothing
        List<String> withHelp = new ArrayList<>(arguments);
        if (!withHelp.contains("--help")) {
            withHelp.add("--help");
        }
        CommandLineRun run = CommandLineRun.of(withHelp.toArray(String[]::new));
        assertThat(run.exitCode()).as(run.err()).isZero();
    }

    @ParameterizedTest
    @MethodSource("javaTests")
    void aJavaTestIsThere(String type, String method) throws IOException {
        try (Stream<Path> files = Files.walk(JAVA_TESTS)) {
            assertThat(files.filter(file -> file.endsWith(type + ".java")).toList()).as(type).isNotEmpty().anySatisfy(source ->
                    assertThat(Files.readString(source)).contains(method.isEmpty() ? "class " + type : " " + method + "("));
        }
    }

    @ParameterizedTest
    @MethodSource("pythonTests")
    void aPythonTestIsThere(String file, String function) throws IOException {
        assertThat(Files.readString(PYTHON_TESTS.resolve(file)))
                .contains(function.isEmpty() ? "def test_" : "def " + function + "(");
    }

    @ParameterizedTest
    @MethodSource("pythonModules")
    void aPythonModuleTakesTheOptions(String module, List<String> arguments) throws IOException {
        Path file = PYTHON.resolve(module.replace('.', '/') + ".py");
        assertHasOptions(Files.exists(file) ? file : PYTHON.resolve(module).resolve("__main__.py"), arguments);
    }

    private static void assertHasOptions(Path source, List<String> arguments) throws IOException {
        String text = Files.readString(source);
        assertThat(arguments.stream().filter(argument -> argument.startsWith("--"))
                .filter(option -> !option.equals("--help")).map(option -> option.replaceFirst("=.*", "")))
                .as(source.toString()).allSatisfy(option -> assertThat(text).contains('"' + option + '"'));
    }

    static Stream<List<String>> commandLines() throws IOException {
        return commands().filter(words -> words.get(0).endsWith("darkroom") && words.size() > 1)
                .map(words -> words.subList(1, words.size())).filter(words -> !words.get(0).equals("COMMAND")).distinct();
    }

    static Stream<String[]> javaTests() throws IOException {
        Stream<String> named = commands().filter(words -> words.get(0).equals("./mvnw")).flatMap(List::stream)
                .filter(word -> word.matches("-D(it\\.)?test=.*"))
                .flatMap(word -> Arrays.stream(word.replaceFirst(".*=", "").split(",")));
        return parts(JAVA_TEST, Stream.concat(named, code()));
    }

    static Stream<String[]> pythonTests() throws IOException {
        Stream<String> named = commands().filter(words -> words.contains("pytest")).flatMap(List::stream);
        return parts(PYTHON_TEST, Stream.concat(named, code()));
    }

    static Stream<Object[]> pythonModules() throws IOException {
        return commands().filter(words -> words.get(0).matches("\\S*python3?") && words.size() > 2 && words.get(1).equals("-m")
                        && words.get(2).startsWith("darkroom_"))
                .map(words -> new Object[] {words.get(2), words.subList(3, words.size())});
    }

    private static Stream<String[]> parts(Pattern pattern, Stream<String> names) {
        return names.filter(name -> !name.contains("NAME")).map(pattern::matcher).filter(Matcher::matches)
                .map(found -> new String[] {found.group(1), found.group(2) == null ? "" : found.group(2)});
    }

    /** Code between words: in the table each is a command or a test. */
    private static Stream<String> code() throws IOException {
        return CODE.matcher(Files.readString(CLAIMS).replaceAll("(?s)```.*?```", "")).results().map(found -> found.group(1));
    }

    /** Every simple command, as its words, without the settings before it. */
    private static Stream<List<String>> commands() throws IOException {
        Stream<String> typed = Stream.of(Path.of("README.md"), CLAIMS).flatMap(ClaimsDocumentTest::typed);
        return Stream.concat(typed, code())
                .flatMap(line -> SIMPLE.matcher(line.replaceFirst("\\s#\\s.*", "")).results())
                .map(command -> words(command.group())).filter(words -> !words.isEmpty());
    }

    /** What stands behind a prompt, lines that go on joined. */
    private static Stream<String> typed(Path document) {
        try {
            return Pattern.compile("(?m)^\\$ (.*)$").matcher(Files.readString(document).replaceAll("\\\\\n\\s*", "")).results()
                    .map(found -> found.group(1)).toList().stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> words(String command) {
        List<String> words = new ArrayList<>();
        WORD.matcher(command).results().forEach(found ->
                words.add(found.group(1) != null ? found.group(1) : found.group(2) != null ? found.group(2) : found.group(3)));
        while (!words.isEmpty() && SETTING.matcher(words.get(0)).matches()) {
            words.remove(0);
        }
        return words;
    }
}
