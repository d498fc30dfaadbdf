package dev.darkroom.tools.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Locale;
import java.util.Map;

/**
 * What a run came to.
 *
 * @param profile name of the profile
 * @param bundle name of the model bundle
 * @param device the device in words
 * @param engine engine and version
 * @param compiled whether compiled packages ran
 * @param completed requests that completed
 * @param failed requests that failed
 * @param images images in all
 * @param seconds from the start of the first batch until the last outcome
 * @param imagesPerSecond throughput over that time
 * @param batchSize images in a batch, on average
 * @param generatorBusyShare share of that time, 0 to 1, in which the generator had a batch
 * @param processorMilliseconds processor time an image of this process, which is the worker and its client; null where the
 *     workers are processes of their own
 * @param stages milliseconds by stage, named as in the completed event
 */
record Report(
        String profile,
        String bundle,
        String device,
        String engine,
        boolean compiled,
        int completed,
        int failed,
        int images,
        double seconds,
        double imagesPerSecond,
        double batchSize,
        double generatorBusyShare,
        @JsonInclude(JsonInclude.Include.NON_NULL) Double processorMilliseconds,
        Map<String, Percentiles> stages) {

    /** Percentiles over the requests, in milliseconds. */
    record Percentiles(double p50, double p90, double p99) {
    }

    /** The report for a person. */
    String toText() {
        StringBuilder text = new StringBuilder();
        line(text, "model           %s on %s (%s)%s", bundle, device, engine, compiled ? ", compiled" : "");
        line(text, "requests        %d completed, %d failed, profile %s", completed, failed, profile);
        line(text, "throughput      %.2f images a second (%d in %.1f s)", imagesPerSecond, images, seconds);
        line(text, "batches         of %.1f images on average", batchSize);
        line(text, "generator busy  %.1f %% of the time", 100 * generatorBusyShare);
        if (processorMilliseconds != null) {
            line(text, "processor       %.1f ms an image, of this process: the worker and its client", processorMilliseconds);
        }
        line(text, "");
        line(text, "%-16s %10s %10s %10s   ms", "stage", "p50", "p90", "p99");
        stages.forEach((stage, ms) -> line(text, "%-16s %10.1f %10.1f %10.1f", words(stage), ms.p50(), ms.p90(), ms.p99()));
        return text.toString();
    }

    private static String words(String name) {
        return name.replaceAll("(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
    }

    private static void line(StringBuilder text, String format, Object... arguments) {
        text.append(String.format(Locale.ROOT, format, arguments).replaceAll("\\s+$", "")).append(System.lineSeparator());
    }
}
