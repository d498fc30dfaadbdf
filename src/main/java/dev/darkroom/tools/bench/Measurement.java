package dev.darkroom.tools.bench;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Events;
import io.cloudevents.CloudEvent;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** What the outcomes of a run say about it. Not thread-safe. */
final class Measurement {

    private final List<Completed> completed = new ArrayList<>();
    private int failed;
    private Instant firstBatch = Instant.MAX;
    private Instant lastOutcome = Instant.MIN;
    private double busySeconds = Double.NaN;
    private double processorSeconds = Double.NaN;

    /** What several workers did at once. They were busy for as long as each was on average. */
    static Measurement of(List<Measurement> workers) {
        Measurement together = new Measurement();
        for (Measurement worker : workers) {
            together.completed.addAll(worker.completed);
            together.failed += worker.failed;
            together.firstBatch = worker.firstBatch.isBefore(together.firstBatch) ? worker.firstBatch : together.firstBatch;
            together.lastOutcome = worker.lastOutcome.isAfter(together.lastOutcome) ? worker.lastOutcome : together.lastOutcome;
        }
        together.busySeconds = workers.stream().mapToDouble(worker -> worker.busySeconds).average().orElse(Double.NaN);
        return together;
    }

    /** Takes an outcome into account. */
    void add(CloudEvent event) {
        Instant end = event.getTime().toInstant();
        lastOutcome = end.isAfter(lastOutcome) ? end : lastOutcome;
        if (Events.outcome(event) instanceof Completed outcome) {
            completed.add(outcome);
            // Both durations begin with the request's record
            Duration sinceBatch = Duration.ofNanos(
                    (long) (1e6 * (outcome.timings().total() - outcome.timings().queueWait())));
            Instant batch = end.minus(sinceBatch);
            firstBatch = batch.isBefore(firstBatch) ? batch : firstBatch;
        } else {
            failed++;
        }
    }

    /** Tells for how long the generator had a batch, in seconds. */
    void busy(double seconds) {
        busySeconds = seconds;
    }

    /** Tells what processor time all of it took, in seconds. */
    void processor(double seconds) {
        processorSeconds = seconds;
    }

    /** {@link Instant#MIN} if there was none. */
    Instant lastOutcome() {
        return lastOutcome;
    }

    Report report(String profile) {
        double seconds = completed.isEmpty() ? 0 : Duration.between(firstBatch, lastOutcome).toNanos() / 1e9;
        int images = completed.stream().mapToInt(outcome -> outcome.images().size()).sum();
        double batches = completed.stream().mapToDouble(
                outcome -> (double) outcome.images().size() / outcome.timings().batchSize()).sum();
        Completed any = completed.isEmpty() ? null : completed.get(0);
        Map<String, Report.Percentiles> stages = new LinkedHashMap<>();
        stages.put("queueWait", percentiles(Completed.Timings::queueWait));
        stages.put("textEncoding", percentiles(Completed.Timings::textEncoding));
        stages.put("denoising", percentiles(Completed.Timings::denoising));
        stages.put("decoding", percentiles(Completed.Timings::decoding));
        stages.put("imageEncoding", percentiles(Completed.Timings::imageEncoding));
        stages.put("upload", percentiles(Completed.Timings::upload));
        stages.put("total", percentiles(Completed.Timings::total));
        return new Report(profile, any == null ? "" : any.model().bundle(), any == null ? "" : any.model().device(),
                any == null ? "" : any.model().engine(), any != null && any.model().compiled(), completed.size(), failed,
                images, seconds, seconds == 0 ? 0 : images / seconds, batches == 0 ? 0 : images / batches,
                // The two clocks are read a moment apart
                seconds == 0 ? 0 : Math.min(1, busySeconds / seconds),
                Double.isNaN(processorSeconds) || images == 0 ? null : 1e3 * processorSeconds / images, stages);
    }

    private Report.Percentiles percentiles(ToDoubleFunction<Completed.Timings> stage) {
        double[] values = completed.stream().map(Completed::timings).mapToDouble(stage).sorted().toArray();
        return new Report.Percentiles(percentile(values, 0.5), percentile(values, 0.9), percentile(values, 0.99));
    }

    /** By nearest rank: the smallest value that at least the given share of all values does not exceed. */
    static double percentile(double[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.max(0, Math.ceil(share * sorted.length) - 1)];
    }
}
