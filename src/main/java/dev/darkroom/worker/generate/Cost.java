package dev.darkroom.worker.generate;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.claim.Job;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.quarkus.runtime.Startup;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * What requests take of the generator, told apart by a value of their metadata where that is asked for. Used by the generator's
 * thread alone.
 */
@Startup
@ApplicationScoped
class Cost {

    /** Each value is a series of its own in Prometheus, and senders choose the values. */
    private static final int MOST_VALUES = 100;
    private static final String NONE = "";
    private static final String OTHER = "other";

    private final MeterRegistry registry;
    private final Optional<String> metadataKey;
    private final Set<String> values = new HashSet<>();

    @Inject
    Cost(DarkroomConfig config, MeterRegistry registry) {
        this(config.metrics().costBy(), registry);
    }

    Cost(Optional<String> metadataKey, MeterRegistry registry) {
        this.registry = registry;
        this.metadataKey = metadataKey;
        requests(NONE);
        images(NONE);
        seconds(NONE);
    }

    /** The generator had a batch for so long, whatever came of it: each request's share is that of its images. */
    void generating(Batch batch, Duration took) {
        double secondsAnImage = took.toNanos() / 1e9 / batch.prompts().size();
        batch.jobs().forEach(job -> seconds(by(job)).increment(secondsAnImage * job.images()));
    }

    /** The batch's images are there. */
    void generated(Batch batch) {
        for (Job job : batch.jobs()) {
            String by = by(job);
            requests(by).increment();
            images(by).increment(job.images());
        }
    }

    private String by(Job job) {
        String value = metadataKey.map(job.request().metadata()::get).orElse(NONE);
        if (value.equals(NONE) || values.contains(value)) {
            return value;
        }
        return values.size() < MOST_VALUES && values.add(value) ? value : OTHER;
    }

    private Counter requests(String by) {
        return counter("darkroom.cost.requests", "Requests whose images were generated", by);
    }

    private Counter images(String by) {
        return counter("darkroom.cost.images", "Images that were generated", by);
    }

    private Counter seconds(String by) {
        return counter("darkroom.cost.seconds", "Seconds of the generator, each batch's shared out by images", by);
    }

    private Counter counter(String name, String description, String by) {
        return Counter.builder(name).description(description).tag("by", by).register(registry);
    }
}
