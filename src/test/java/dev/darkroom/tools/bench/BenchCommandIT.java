package dev.darkroom.tools.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.tools.ClassArchive;
import dev.darkroom.tools.Folders;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The packaged command, with the workers that it starts. */
@Timeout(240)
class BenchCommandIT {

    @TempDir
    private Path folder;

    @Test
    void everyWorkerGetsAsManyRequestsOfTheBacklogThatTheyShare() throws Exception {
        JsonNode report = bench("--devices", "cpu,cpu", "--requests", "8", "--json");

        assertThat(report.at("/one/completed").asInt()).isEqualTo(8);
        assertThat(report.at("/all/completed").asInt()).isEqualTo(8);
        assertThat(report.path("workers")).hasSize(2).extracting(worker -> worker.path("images").asInt()).containsOnly(4);
        assertThat(report.path("workers")).allSatisfy(
                worker -> assertThat(worker.path("generatorBusyShare").asDouble()).isPositive().isLessThanOrEqualTo(1));
        assertThat(report.path("ratio").asDouble()).isPositive();
    }

    @Test
    void preparedPixelsShowWhatAllButTheGeneratorCarries() throws Exception {
        JsonNode report = bench("--generator", "instant", "--requests", "40", "--json");

        assertThat(report.path("completed").asInt()).isEqualTo(40);
        assertThat(report.path("bundle").asText()).isEqualTo("instant");
        assertThat(report.path("generatorBusyShare").asDouble()).isLessThan(0.5);
        assertThat(report.path("processorMilliseconds").asDouble()).isPositive();
        assertThat(report.at("/stages/imageEncoding/p50").asDouble()).as("512×512 pixels are compressed").isGreaterThan(1);
    }

    @Test
    void aBrokerThatIsKilledIsNotWaitedFor() throws Exception {
        Process process = start("--generator", "instant", "--requests", "1000000");
        Path scratch = Path.of(".darkroom", "bench-" + process.pid());
        await().atMost(60, TimeUnit.SECONDS).until(() -> Files.exists(scratch.resolve("worker.log")));

        process.children().forEach(ProcessHandle::destroyForcibly);

        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(1);
        assertThat(folder.resolve("err")).content()
                .contains("The embedded broker and store ended by themselves, with exit code 137. Logs: ");
        assertThat(scratch.resolve("stack.log")).exists();
        Folders.delete(scratch);
    }

    private JsonNode bench(String... arguments) throws Exception {
        Process process = start(arguments);

        assertThat(process.waitFor(200, TimeUnit.SECONDS)).isTrue();

        assertThat(process.exitValue()).as(Files.readString(folder.resolve("err"))).isZero();
        List<String> lines = Files.readAllLines(folder.resolve("out"), StandardCharsets.UTF_8);
        return new ObjectMapper().readTree(lines.get(lines.size() - 1));
    }

    private Process start(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dcli.home=" + Path.of("").toAbsolutePath(), "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
        command.addAll(ClassArchive.options("worker"));
        command.addAll(List.of("-jar", "target/quarkus-app/quarkus-run.jar", "bench"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectOutput(folder.resolve("out").toFile())
                .redirectError(folder.resolve("err").toFile());
        // What is drawn does not matter here
        builder.environment().put("DARKROOM_BUNDLE",
                Path.of("src/test/resources/golden/pictures/bundle").toAbsolutePath().toString());
        return builder.start();
    }
}
