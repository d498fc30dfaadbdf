package dev.darkroom.tools.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.ImageFormat;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class WorkersReportTest {

    private static final Instant BEGIN = Instant.parse("2026-11-24T00:00:00Z");

    private static final Completed.Image IMAGE =
            new Completed.Image("darkroom", "a.png", "s3://darkroom/a.png", "", "", 1, 8, 8, 1, Optional.empty(),
                    Optional.empty(), Optional.empty());
    private static final Completed.Parameters PARAMETERS = new Completed.Parameters("a star", "", "plain", "final", 8, 8, 20,
            "dpmpp-2m", new Completed.Guidance(7.5, 0.4), "tiny", List.of(), Optional.empty(), Optional.empty(), 1, 1,
            new Completed.Output(ImageFormat.PNG), false, OptionalInt.of(77));

    @Test
    void workersTogetherAreMeasuredFromTheFirstBatchOfAnyToTheLastOutcomeOfAny() {
        Measurement first = measurement("cuda:0", 1, 4, 6);
        Measurement second = measurement("cuda:1", 0, 3, 5);
        first.busy(5);
        second.busy(4);

        Report together = Measurement.of(List.of(first, second)).report("final");

        assertThat(together.images()).isEqualTo(4);
        assertThat(together.seconds()).isCloseTo(6, within(1e-6));
        assertThat(together.imagesPerSecond()).isCloseTo(4 / 6.0, within(1e-6));
        assertThat(together.generatorBusyShare()).isCloseTo(0.75, within(1e-6));
    }

    @Test
    void theRatioIsThatOfTheThroughputsAndTheTailThatOfTheEnds() {
        WorkersReport report = WorkersReport.of("final", 8, List.of(measurement("cuda:0", 0, 2, 4, 6, 8)),
                List.of(measurement("cuda:0", 0, 2, 4), measurement("cuda:1", 0, 2, 5)));

        assertThat(report.ratio()).isCloseTo(8 / 5.0, within(1e-6));
        assertThat(report.tailSeconds()).isCloseTo(1, within(1e-6));
        assertThat(report.workers()).extracting(WorkersReport.Share::device).containsExactly("cuda:0", "cuda:1");
        assertThat(report.toText()).contains("2 workers    0.80 images/s of 4 requests in 8 partitions: 1.600 times as many",
                "tail         1.00 s");
    }

    /** A worker whose first batch began at a second, with an outcome at each of some others. */
    private static Measurement measurement(String device, double batch, double... ends) {
        Measurement measurement = new Measurement();
        for (double end : ends) {
            // A record that waited for one second before its batch
            double total = 1e3 * (end - batch + 1);
            measurement.add(new Events("/darkroom").of(new Completed("a-" + end, List.of(IMAGE), List.of(), PARAMETERS,
                    new Completed.Timings(1e3, OptionalDouble.empty(), 0, OptionalDouble.empty(), 0, 0,
                            OptionalDouble.empty(), 0, 0, total, 20, 1),
                    Optional.empty(),
                    new Completed.Model("sd15", "", device, "PyTorch 2.7.1", true), Optional.empty(), Map.of()),
                    BEGIN.plusMillis((long) (1e3 * end))));
        }
        return measurement;
    }
}
