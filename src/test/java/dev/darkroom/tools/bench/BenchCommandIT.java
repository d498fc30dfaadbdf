package dev.darkroom.tools.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
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
        Process process = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dcli.home=" + Path.of("").toAbsolutePath(), "-Xmx512m",
                "-jar", "target/quarkus-app/quarkus-run.jar",
                "bench", "--devices", "cpu,cpu", "--requests", "16", "--json")
                .redirectOutput(folder.resolve("out").toFile())
                .redirectError(folder.resolve("err").toFile())
                .start();

        assertThat(process.waitFor(200, TimeUnit.SECONDS)).isTrue();

        assertThat(process.exitValue()).as(Files.readString(folder.resolve("err"))).isZero();
        List<String> lines = Files.readAllLines(folder.resolve("out"), StandardCharsets.UTF_8);
        JsonNode report = new ObjectMapper().readTree(lines.get(lines.size() - 1));
        assertThat(report.at("/one/completed").asInt()).isEqualTo(16);
        assertThat(report.at("/all/completed").asInt()).isEqualTo(16);
        assertThat(report.path("workers")).hasSize(2).extracting(worker -> worker.path("images").asInt()).containsOnly(8);
        assertThat(report.path("workers")).allSatisfy(
                worker -> assertThat(worker.path("generatorBusyShare").asDouble()).isBetween(0.5, 1.0));
        assertThat(report.path("ratio").asDouble()).isPositive();
    }
}
