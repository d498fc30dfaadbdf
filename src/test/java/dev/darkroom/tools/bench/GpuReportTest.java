package dev.darkroom.tools.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.bench.GpuRow.Spread;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GpuReportTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private GpuReport report;

    @BeforeEach
    void modelIsReady() throws IOException {
        report = new GpuReport(folder.resolve("gpu.json"), "./darkroom bench gpu", new ArithmeticCeiling(790));
        report.model(new ProfileBenchCommand.Ready("sd15", "512x512", "NVIDIA H100", "2.11.0", List.of(1, 8), null));
    }

    @Test
    void everyMeasurementIsInTheFileAtOnce() throws IOException {
        report.add(row("final", 1, 10), true);

        JsonNode written = written();
        assertThat(written.path("device").asText()).isEqualTo("NVIDIA H100");
        assertThat(written.at("/rows/0/secondsPerImage/median").asDouble()).isEqualTo(0.1);
        assertThat(written.at("/rows/0").has("peakAllocatedBytes")).as("memory of a CPU").isFalse();
        assertThat(written.path("steps")).hasSize(1);
        assertThat(written.at("/steps/0/milliseconds/median").asDouble()).isEqualTo(5);
    }

    @Test
    void theFirstStartIsToldFromALaterOne() throws IOException {
        report.started(24, List.of(1, 8));
        report.started(9, List.of(1, 8));

        assertThat(written().at("/coldStart/seconds").asDouble()).isEqualTo(24);
        assertThat(written().at("/laterStart/seconds").asDouble()).isEqualTo(9);
        assertThat(written().at("/laterStart/batchSizes")).hasSize(2);
        assertThat(report.toText()).contains("coldStart: ready after 24.0 s, batches of [1,8]");
    }

    @Test
    void theArithmeticOfAStepIsThatOfItsUnetForwards() throws IOException {
        report.add(row("final", 8, 10, 0.3), true);

        // 16 forwards of 0.804 TFLOP in 5 ms
        assertThat(written().at("/steps/0/arithmeticShare").asDouble()).isCloseTo(3.257, within(0.001));
    }

    @Test
    void theArithmeticOfAStepIsLeftOutWhereThatOfTheImageIsNotKnown() throws IOException {
        report.add(row("final", 8, 10), true);

        assertThat(written().at("/rows/0").has("arithmeticShare")).isFalse();
        assertThat(written().at("/steps/0").has("arithmeticShare")).isFalse();
    }

    @Test
    void theStepsAreThoseOfTheProfileThatIsStudied() throws IOException {
        report.add(row("baseline", 1, 10), false);

        assertThat(written().has("steps")).isFalse();
    }

    @Test
    void thePeersRowsComeBesideItsOwn() throws IOException {
        report.add(row("final", 1, 10), true);

        report.merge(peer("NVIDIA H100", "512x512"));

        assertThat(written().path("rows")).extracting(row -> row.path("imagesPerSecond").asDouble())
                .containsExactly(10.0, 2.0);
        assertThat(report.toText()).contains("diffusers", "darkroom");
    }

    @ParameterizedTest
    @CsvSource({"NVIDIA A100, 512x512, its device is NVIDIA A100", "NVIDIA H100, 768x512, its size is 768x512"})
    void refusesAPeerThatMeasuredSomethingElse(String device, String size, String reason) throws IOException {
        Path peer = peer(device, size);

        assertThatThrownBy(() -> report.merge(peer)).isInstanceOf(CommandException.class).hasMessageContaining(reason);
        assertThat(written().path("rows")).isEmpty();
    }

    @Test
    void aPeerKeepsARowOfEachTorchThatItWasMeasuredOn() throws IOException {
        report.merge(peer("NVIDIA H100", "512x512", "2.7.1"));
        report.merge(peer("NVIDIA H100", "512x512", "2.11.0"));

        assertThat(written().path("rows")).filteredOn(row -> row.path("implementation").asText().equals("diffusers"))
                .extracting(row -> row.path("torch").asText()).containsExactly("2.7.1", "2.11.0");
    }

    private Path peer(String device, String size) throws IOException {
        return peer(device, size, "2.7.1");
    }

    private Path peer(String device, String size, String torch) throws IOException {
        return Files.writeString(folder.resolve("peer.json"), """
                {"device": "%s", "size": "%s", "rows": [
                 {"implementation": "diffusers", "compiled": false, "profile": "final", "batch": 1, "imagesPerSecond": 2,
                  "torch": "%s"},
                 {"implementation": "darkroom", "compiled": true, "profile": "final", "batch": 1, "imagesPerSecond": 3}]}
                """.formatted(device, size, torch));
    }

    @Test
    void theWorkerStandsBesideThePipelineAtItsBatchSize() throws IOException {
        report.add(row("final", 1, 10), true);
        report.add(row("final", 8, 22), true);

        report.worker(JSON.readTree("{\"profile\": \"final\", \"imagesPerSecond\": 21.5, \"batchSize\": 7.8}"), 400);

        assertThat(written().at("/worker/0/imagesPerSecond").asDouble()).isEqualTo(21.5);
        assertThat(written().at("/worker/0/pipelineImagesPerSecond").asDouble()).isEqualTo(22);
        assertThat(report.toText()).contains("worker, final, batch 8: 21.50 images/s of 400 requests; the pipeline alone 22.00");
    }

    @Test
    void severalWorkersStandBesideOne() throws IOException {
        report.workers(JSON.readTree("""
                {"all": {"imagesPerSecond": 31.2}, "workers": [{"images": 400}, {"images": 400}], "ratio": 1.97}"""));

        assertThat(written().at("/workers/ratio").asDouble()).isEqualTo(1.97);
        assertThat(report.toText()).contains("2 workers: 31.20 images/s, 1.970 times as many as one");
    }

    @Test
    void aWorkerInBatchesThatThePipelineWasNotMeasuredInHasNothingBesideIt() throws IOException {
        report.add(row("final", 1, 10), true);

        report.worker(JSON.readTree("{\"profile\": \"final\", \"imagesPerSecond\": 21.5, \"batchSize\": 7.8}"), 400);

        assertThat(written().at("/worker/0").has("pipelineImagesPerSecond")).isFalse();
        assertThat(report.toText()).contains("the pipeline alone not measured in such batches");
    }

    @Test
    void aSpreadIsMedianAndExtremes() {
        assertThat(Spread.of(3, 1, 2)).isEqualTo(new Spread(2, 1, 3));
        assertThat(Spread.of(4, 1, 2, 3)).isEqualTo(new Spread(2.5, 1, 4));
    }

    private JsonNode written() throws IOException {
        return JSON.readTree(folder.resolve("gpu.json").toFile());
    }

    private static GpuRow row(String profile, int batch, double imagesPerSecond) {
        return row(profile, batch, imagesPerSecond, null);
    }

    private static GpuRow row(String profile, int batch, double imagesPerSecond, Double arithmeticShare) {
        return new GpuRow("darkroom", true, profile, batch, 20, Spread.of(1 / imagesPerSecond), imagesPerSecond, null, null,
                null, null, 20, 1, 2, 3, Spread.of(5), null, arithmeticShare, null, null, null, 8.0);
    }
}
