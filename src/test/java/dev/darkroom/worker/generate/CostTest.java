package dev.darkroom.worker.generate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.worker.Records;
import dev.darkroom.worker.claim.Job;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class CostTest {

    private static final GenerationParameters FINAL = new GenerationParameters(
            128, 128, 20, SchedulerName.DPMPP_2M, 7.5, 0.4, DecoderName.TINY, true);

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

    @Test
    void aBatchIsSharedOutByImages() {
        Cost cost = new Cost(Optional.of("customer"), registry);
        Batch batch = batch(job("c-1", 3), job("c-2", 1));
        cost.generating(batch, Duration.ofSeconds(2));
        cost.generated(batch);

        assertThat(counted("seconds", "c-1")).isEqualTo(1.5);
        assertThat(counted("seconds", "c-2")).isEqualTo(0.5);
        assertThat(counted("images", "c-1")).isEqualTo(3);
        assertThat(counted("requests", "c-1")).isEqualTo(1);
        assertThat(counted("requests", "")).isZero();
    }

    @Test
    void aBatchThatComesToNothingCostsTimeAlone() {
        Cost cost = new Cost(Optional.empty(), registry);
        cost.generating(batch(job("c-1", 1)), Duration.ofSeconds(2));

        assertThat(counted("seconds", "")).isEqualTo(2);
        assertThat(counted("requests", "")).isZero();
    }

    @Test
    void sendersCannotFillPrometheusWithValues() {
        Cost cost = new Cost(Optional.of("customer"), registry);
        for (int i = 0; i < 120; i++) {
            cost.generated(batch(job("c-" + i, 1)));
        }
        cost.generated(batch(job("c-99", 1)));

        assertThat(counted("requests", "c-99")).isEqualTo(2);
        assertThat(counted("requests", "other")).isEqualTo(20);
        assertThat(registry.find("darkroom.cost.requests").counters()).hasSize(102);
    }

    private double counted(String what, String by) {
        return registry.get("darkroom.cost." + what).tag("by", by).counter().count();
    }

    private static Batch batch(Job... jobs) {
        return new Batch(FINAL, Arrays.asList(jobs));
    }

    private static Job job(String customer, int count) {
        String request = """
                {"requestId": "r", "prompt": "a pear", "count": %d, "metadata": {"customer": "%s"}}""".formatted(count, customer);
        return new Job(Records.claim(Records.claims(1), Records.record(0, 0)), Records.read(request));
    }
}
