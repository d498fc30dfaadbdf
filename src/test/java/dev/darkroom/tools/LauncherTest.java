package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
    void noCommandMeansHelp() throws Exception {
        assertThat(launch(Map.of("JAVA_HOME", java("17.0.15"))).output()).endsWith("<--help>\n");
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
        builder.environment().remove("DARKROOM_JAVA_OPTS");
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), output);
    }

    private record Run(int exitCode, String output) {
    }
}
