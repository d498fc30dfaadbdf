package dev.darkroom.worker;

import dev.darkroom.contract.FailureReason;
import dev.darkroom.diffusion.MemoryStatistics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.quarkus.runtime.Startup;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/**
 * The worker's own metrics. What is counted is there as 0 from the start, so that Prometheus sees the first of anything happen.
 * Thread-safe.
 */
@Startup
@ApplicationScoped
public class WorkerMetrics {

    private final MeterRegistry registry;
    private final DistributionSummary batchSize;
    private final Counter generatorBusy;
    private final Counter adapterSwitches;
    private volatile MemoryStatistics memory = new MemoryStatistics(0, 0, 0, 0);

    public WorkerMetrics(MeterRegistry registry) {
        this.registry = registry;
        this.batchSize = DistributionSummary.builder("darkroom.batch.size")
                .description("Images in a batch")
                .serviceLevelObjectives(1, 2, 4, 8, 16)
                .register(registry);
        this.generatorBusy = Counter.builder("darkroom.generator.busy")
                .description("Time in which the generator had a batch")
                .baseUnit("seconds")
                .register(registry);
        this.adapterSwitches = Counter.builder("darkroom.adapter.switches")
                .description("Times that the weights were changed for a batch's adapters")
                .register(registry);
        for (String lane : List.of("ordinary", "express")) {
            requests(lane, "completed", "");
            requests(lane, "replayed", "");
            requests(lane, "dead-lettered", "");
            requests(lane, "dead-lettered", FailureReason.TOO_MANY_ATTEMPTS.name());
            for (FailureReason reason : FailureReason.values()) {
                requests(lane, "failed", reason.name());
            }
        }
        flaggedImages(true);
        flaggedImages(false);
        vram("peak_allocated", MemoryStatistics::peakAllocated);
        vram("peak_reserved", MemoryStatistics::peakReserved);
        vram("device_used", MemoryStatistics::deviceUsed);
        vram("device_total", MemoryStatistics::deviceTotal);
    }

    private void vram(String kind, ToLongFunction<MemoryStatistics> value) {
        registerAnew(registry, Gauge.builder("darkroom.vram", () -> value.applyAsLong(memory))
                .description("The device's memory as of the last batch; 0 on a CPU")
                .baseUnit("bytes")
                .tag("kind", kind));
    }

    /**
     * A record is done.
     *
     * @param lane the one that it came on, {@code ordinary} or {@code express}
     * @param outcome {@code completed}, {@code failed}, {@code replayed} or {@code dead-lettered}
     * @param reason why it failed; empty otherwise
     */
    public void outcome(String lane, String outcome, String reason) {
        requests(lane, outcome, reason).increment();
    }

    private Counter requests(String lane, String outcome, String reason) {
        return Counter.builder("darkroom.requests")
                .description("Requests that are done")
                .tags("lane", lane, "outcome", outcome, "reason", reason)
                .register(registry);
    }

    /** A stage of a request or batch is over. */
    public void stage(String stage, Duration duration) {
        Timer.builder("darkroom.stage")
                .description("Duration of a stage: queue_wait, image_encoding, upload and total of a request; "
                        + "adapter_switch, text_encoding, denoising, decoding and safety_check of a batch")
                .tag("stage", stage)
                .publishPercentileHistogram()
                .minimumExpectedValue(Duration.ofMillis(1))
                .maximumExpectedValue(Duration.ofMinutes(10))
                .register(registry)
                .record(duration);
    }

    public void batch(int images, Duration busy) {
        batchSize.record(images);
        generatorBusy.increment(busy.toNanos() / 1e9);
    }

    /** The safety checker flagged an image, which was kept or withheld. */
    public void flagged(boolean withheld) {
        flaggedImages(withheld).increment();
    }

    private Counter flaggedImages(boolean withheld) {
        return Counter.builder("darkroom.images.flagged")
                .description("Images that the safety checker flagged")
                .tag("then", withheld ? "withheld" : "stored")
                .register(registry);
    }

    /** The weights were changed for a batch's adapters. */
    public void adapterSwitch(Duration took) {
        adapterSwitches.increment();
        stage("adapter_switch", took);
    }

    public void memory(MemoryStatistics statistics) {
        memory = statistics;
    }

    public static <T> void gauge(MeterRegistry registry, String name, String description, T of, ToDoubleFunction<T> value) {
        registerAnew(registry, Gauge.builder(name, of, value).description(description));
    }

    /**
     * The registry is the process' own: where another worker ran in it before, as in development mode, it still has that one's
     * gauge, which would stay.
     */
    private static void registerAnew(MeterRegistry registry, Gauge.Builder<?> gauge) {
        registry.remove(gauge.register(registry));
        gauge.register(registry);
    }
}
