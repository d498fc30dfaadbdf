package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The script {@code darkroom} in a checkout whose build is done, with a Java that tells how it was called. */
class LauncherTest {

    @TempDir
    private Path folder;

    private Path checkout;

    @BeforeEach
    void checkOut() throws IOException {
        checkout = Files.createDirectories(folder.resolve("a check out"));
        Files.copy(Path.of("darkroom"), checkout.resolve("darkroom"));
        Files.createDirectories(checkout.resolve("target/quarkus-app"));
        Files.writeString(checkout.resolve("target/stack.classpath"), "");
        Files.writeString(checkout.resolve("target/darkroom-stack.jar"), "");
        Files.writeString(checkout.resolve("target/quarkus-app/quarkus-run.jar"), "");
    }

    @Test
    void argumentsAndPathsWithSpacesArriveWhole() throws Exception {
        Run run = launch(Map.of("JAVA_HOME", java("17.0.15")), "generate", "a red  apple", "--out", "my images");

        assertThat(run.exitCode()).isZero();
        assertThat(run.output()).contains(
                "<-Dcli.home=" + checkout.toRealPath() + ">",
                "<-jar>", "<" + checkout.toRealPath() + "/target/quarkus-app/quarkus-run.jar>",
                "<generate>", "<a red  apple>", "<--out>", "<my images>");
    }

    @Test
    void aLinkLeadsToTheCheckout() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), checkout.resolve("darkroom"));

        Run run = run(link, Map.of("JAVA_HOME", java("17.0.15")), "stack");

        assertThat(run.output()).contains("<-Dcli.home=" + checkout.toRealPath() + ">");
    }

    @ParameterizedTest
    @ValueSource(strings = {"darkroom", "bin/darkroom"})
    void aDistributionIsBuiltAndNeedsNoMaven(String launcher) throws Exception {
        Path unpacked = Files.createDirectories(folder.resolve("darkroom 0.1.0"));
        Files.createDirectories(unpacked.resolve("lib/quarkus-app"));
        Files.createDirectories(unpacked.resolve("bin"));
        Files.copy(Path.of("darkroom"), unpacked.resolve(launcher));

        Run run = run(unpacked.resolve(launcher), Map.of("JAVA_HOME", java("17.0.15")), "demo");

        assertThat(run.exitCode()).isZero();
        assertThat(run.output()).contains("<-Dcli.home=" + unpacked.toRealPath() + ">",
                "<" + unpacked.toRealPath() + "/lib/quarkus-app/quarkus-run.jar>");
        Run faults = run(unpacked.resolve(launcher), Map.of("JAVA_HOME", java("17.0.15")), "faults");
        assertThat(faults.exitCode()).isEqualTo(1);
        assertThat(faults.output()).contains("a distribution has not");
    }

    @Test
    void newJavaVersionsGetTheFlagsThatTheyKnow() throws Exception {
        assertThat(launch(Map.of("JAVA_HOME", java("17.0.15")), "worker").output())
                .doesNotContain("native-access").doesNotContain("unsafe");
        assertThat(launch(Map.of("JAVA_HOME", java("25")), "worker").output())
                .contains("<--enable-native-access=ALL-UNNAMED>", "<--sun-misc-unsafe-memory-access=allow>");
    }

    @Test
    void optionsForTheJvmComeFromTheEnvironment() throws Exception {
        Run run = launch(Map.of("JAVA_HOME", java("21.0.1"), "DARKROOM_JAVA_OPTS", "-Xmx3g -Dx=y"), "worker");

        assertThat(run.output()).contains("<-Xmx3g>", "<-Dx=y>");
    }

    @Test
    void aWorkerThatIsOutOfMemoryEnds() throws Exception {
        assertThat(launch(Map.of("JAVA_HOME", java("21.0.1")), "worker").output()).contains("<-XX:+ExitOnOutOfMemoryError>");
        assertThat(launch(Map.of("JAVA_HOME", java("21.0.1")), "demo").output()).doesNotContain("OutOfMemory");
    }

    @Test
    void classesComeFromTheArchiveThatTheBuildMade() throws Exception {
        assertThat(launch(Map.of("JAVA_HOME", java("17.0.15")), "demo").output()).doesNotContain("SharedArchiveFile");
        Files.writeString(checkout.resolve("target/worker.jsa"), "");

        assertThat(launch(Map.of("JAVA_HOME", java("17.0.15")), "demo").output())
                .contains("<-XX:SharedArchiveFile=" + checkout.toRealPath() + "/target/worker.jsa>");
    }

    @Test
    void noCommandMeansHelp() throws Exception {
        assertThat(launch(Map.of("JAVA_HOME", java("17.0.15"))).output()).endsWith("<--help>\n");
    }

    @Test
    void theCampaignOfFaultsRunsOutOfTheTests() throws Exception {
        Files.createDirectories(checkout.resolve("target/test-classes"));

        assertThat(launch(Map.of("JAVA_HOME", java("17.0.15")), "faults", "--seeds", "7").output())
                .contains("/target/test-classes:").endsWith("<dev.darkroom.faults.FaultsMain>\n<--seeds>\n<7>\n");
    }

    @Test
    void anOldJavaIsNamed() throws Exception {
        Run run = launch(Map.of("JAVA_HOME", java("1.8.0_392")), "demo");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains("is Java 1.8.0_392; Darkroom needs 17 or newer.");
    }

    @Test
    void aMissingJavaIsToldWithWhatToDo() throws Exception {
        assertThat(launch(Map.of("JAVA_HOME", "", "PATH", onlyTheShellsTools()), "demo").output())
                .contains("no Java found. Install a JDK, 17 or newer");
        assertThat(launch(Map.of("JAVA_HOME", "/nowhere"), "demo").output())
                .contains("JAVA_HOME is /nowhere, and there is no bin/java in it.");
    }

    @Test
    void aSourceNewerThanTheBuildIsBuiltAndAFailureShowsItsErrors() throws Exception {
        Path source = checkout.resolve("src/main/java/New.java");
        Files.createDirectories(source.getParent());
        Files.writeString(source, "class New {}");
        Files.setLastModifiedTime(source, java.nio.file.attribute.FileTime.fromMillis(
                System.currentTimeMillis() + 60_000));
        script(checkout.resolve("mvnw"), "echo '[INFO] hum'; echo '[ERROR] New.java:[1,1] does not compile'; exit 1");

        Run run = launch(Map.of("JAVA_HOME", java("17.0.15")), "demo");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains("building, once", "[ERROR] New.java:[1,1] does not compile", "the build failed")
                .doesNotContain("[INFO]").doesNotContain("<demo>").doesNotContain("\r");
    }

    @ParameterizedTest
    @CsvSource({"worker", "generate x", "bench gpu", "demo --gpu", "demo x --count 2 --gpu", "gpu doctor"})
    void whatSetupWroteDownIsExportedToWhatRunsTheModel(String command) throws Exception {
        Path bundle = setUpGpu();

        assertThat(launch(tellingJava(), command.split(" ")).output()).contains(
                "DARKROOM_BUNDLE=" + bundle + "\n", "DARKROOM_DEVICE_INDEX=1\n", "PYTORCH_FLAVOR=cu128\n",
                "PYTORCH_LIBRARY_PATH=" + checkout + "\n", "PYTORCH_VERSION=2.7.1\n",
                "PYTORCH_EXTRA_LIBRARY_PATH=" + checkout + "/darkroom\n");
    }

    @ParameterizedTest
    @CsvSource({"demo", "stack", "send x", "gpu setup", "gpu"})
    void othersRunAsBefore(String command) throws Exception {
        setUpGpu();

        assertThat(launch(tellingJava(), command.split(" ")).output())
                .contains("DARKROOM_BUNDLE=" + checkout.toRealPath() + "/models/mini\n")
                .doesNotContain("PYTORCH_").doesNotContain("DARKROOM_DEVICE_INDEX");
    }

    @Test
    void theCpuComesBackWithAVariable() throws Exception {
        setUpGpu();

        assertThat(launch(tellingJava("DARKROOM_GPU", "off"), "worker").output())
                .contains("DARKROOM_BUNDLE=" + checkout.toRealPath() + "/models/mini\n")
                .doesNotContain("PYTORCH_").doesNotContain("DARKROOM_DEVICE_INDEX");
    }

    @Test
    void whatTheUserExportsComesFirst() throws Exception {
        setUpGpu();

        assertThat(launch(tellingJava("DARKROOM_BUNDLE", "/mine", "DARKROOM_DEVICE_INDEX", "3",
                "PYTORCH_EXTRA_LIBRARY_PATH", "/mine.so"), "worker").output()).contains(
                "DARKROOM_BUNDLE=/mine\n", "DARKROOM_DEVICE_INDEX=3\n", "PYTORCH_EXTRA_LIBRARY_PATH=/mine.so\n",
                "PYTORCH_LIBRARY_PATH=" + checkout + "\n");
    }

    @Test
    void anotherLibtorchComesWithoutWhatWasMadeForOurs() throws Exception {
        setUpGpu();

        assertThat(launch(tellingJava("PYTORCH_LIBRARY_PATH", "/mine", "PYTORCH_VERSION", "2.11.0"), "worker").output())
                .contains("PYTORCH_LIBRARY_PATH=/mine\n", "PYTORCH_VERSION=2.11.0\n", "DARKROOM_DEVICE_INDEX=1\n")
                .doesNotContain("PYTORCH_FLAVOR").doesNotContain("PYTORCH_EXTRA_LIBRARY_PATH");
    }

    @Test
    void aVersionThatAContainerExportsDoesNotBelongToOurLibtorch() throws Exception {
        setUpGpu();

        assertThat(launch(tellingJava("PYTORCH_VERSION", "2.8.0a0"), "worker").output()).contains("PYTORCH_VERSION=2.7.1\n");
    }

    @Test
    void whatSetupMadeAndIsGoneIsToldWithWhatToDo() throws Exception {
        Path bundle = setUpGpu();
        Files.delete(bundle);

        Run run = launch(tellingJava(), "worker");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains("environment names " + bundle + ", which is not there. Run `./darkroom gpu setup` "
                + "again, or set DARKROOM_GPU=off for the CPU.");
        assertThat(launch(tellingJava(), "gpu", "doctor").output()).contains("DARKROOM_BUNDLE=" + bundle + "\n");
    }

    /** What {@code gpu setup} writes, with a line that no launcher should take for anything. */
    private Path setUpGpu() throws IOException {
        Path bundle = Files.createDirectories(checkout.resolve("my $(touch hacked) bundle"));
        Files.createDirectories(checkout.resolve(".darkroom/gpu"));
        Files.writeString(checkout.resolve(".darkroom/gpu/environment"), """
                # ./darkroom gpu setup
                PYTORCH_LIBRARY_PATH=%1$s
                PYTORCH_VERSION=2.7.1
                PYTORCH_FLAVOR=cu128
                PYTORCH_EXTRA_LIBRARY_PATH=%1$s/darkroom
                DARKROOM_BUNDLE=%2$s
                DARKROOM_DEVICE_INDEX=1
                PATH=/nowhere
                """.formatted(checkout, bundle));
        return bundle;
    }

    /** The environment with a Java that tells what Darkroom's and torch's variables are. */
    private Map<String, String> tellingJava(String... variables) throws IOException {
        Path home = folder.resolve("telling java");
        script(home.resolve("bin/java"), """
                if [ "$1" = -version ]; then echo 'openjdk version "17.0.15"' >&2; exit; fi
                env | grep -E '^(DARKROOM|PYTORCH)_' | sort
                """);
        Map<String, String> environment = new HashMap<>(Map.of("JAVA_HOME", home.toString()));
        for (int i = 0; i < variables.length; i += 2) {
            environment.put(variables[i], variables[i + 1]);
        }
        return environment;
    }

    /** A Java home whose {@code java} tells a version, or else its arguments. */
    private String java(String version) throws IOException {
        Path home = folder.resolve("java " + version);
        script(home.resolve("bin/java"), """
                if [ "$1" = -version ]; then echo 'openjdk version "%s" 2025-04-15' >&2; exit; fi
                printf '<%%s>\\n' "$@"
                """.formatted(version));
        script(home.resolve("bin/javac"), "exit 0");
        return home.toString();
    }

    private String onlyTheShellsTools() throws IOException {
        Path tools = Files.createDirectories(folder.resolve("tools"));
        for (String tool : List.of("sh", "dirname", "readlink", "sed", "head", "find")) {
            Path found = Path.of("/usr/bin", tool);
            Files.createSymbolicLink(tools.resolve(tool), Files.exists(found) ? found : Path.of("/bin", tool));
        }
        return tools.toString();
    }

    private static void script(Path path, String body) throws IOException {
        Files.createDirectories(path.getParent());
        Files.writeString(path, "#!/bin/sh\n" + body);
        assertThat(path.toFile().setExecutable(true)).isTrue();
    }

    private Run launch(Map<String, String> environment, String... arguments) throws Exception {
        return run(checkout.resolve("darkroom"), environment, arguments);
    }

    private Run run(Path launcher, Map<String, String> environment, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("/bin/sh", launcher.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).directory(folder.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("DARKROOM_") || name.startsWith("PYTORCH_"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), output);
    }

    private record Run(int exitCode, String output) {
    }
}
