package dev.darkroom.tools.bench;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;

/**
 * A backlog through one worker, and as large a one through several that share it.
 *
 * @param partitions of the requests' topic, each with as many requests
 * @param one the first worker alone
 * @param all the workers together
 * @param workers what each of them did
 * @param tailSeconds from the last outcome of the worker that had nothing left first until the last of all
 * @param ratio of the throughput of all to that of one
 */
record WorkersReport(int partitions, Report one, Report all, List<Share> workers, double tailSeconds, double ratio) {

    /**
     * One worker's part in the common backlog.
     *
     * @param device in words
     * @param seconds from the start of its first batch until its last outcome
     * @param generatorBusyShare share of that time, 0 to 1
     */
    record Share(String device, int images, double seconds, double imagesPerSecond, double generatorBusyShare) {
        static Share of(Report report) {
            return new Share(report.device(), report.images(), report.seconds(), report.imagesPerSecond(),
                    report.generatorBusyShare());
        }
    }

    /**
     * What came of the two backlogs.
     *
     * @param alone what the first worker did of the first
     * @param shared what each worker did of the second
     */
    static WorkersReport of(String profile, int partitions, List<Measurement> alone, List<Measurement> shared) {
        Report one = Measurement.of(alone).report(profile);
        Report all = Measurement.of(shared).report(profile);
        List<Instant> ends = shared.stream().map(Measurement::lastOutcome).sorted().toList();
        return new WorkersReport(partitions, one, all, shared.stream().map(each -> Share.of(each.report(profile))).toList(),
                Duration.between(ends.get(0), ends.get(ends.size() - 1)).toNanos() / 1e9,
                all.imagesPerSecond() / one.imagesPerSecond());
    }

    int failed() {
        return one.failed() + all.failed();
    }

    /** The report for a person. */
    String toText() {
        StringBuilder text = new StringBuilder();
        line(text, "model        %s (%s)%s, profile %s", all.bundle(), all.engine(), all.compiled() ? ", compiled" : "",
                all.profile());
        line(text, "one worker   %.2f images/s of %d requests, on %s", one.imagesPerSecond(), one.completed(), one.device());
        line(text, "%d workers    %.2f images/s of %d requests in %d partitions: %.3f times as many", workers.size(),
                all.imagesPerSecond(), all.completed(), partitions, ratio);
        for (Share share : workers) {
            line(text, "             %.2f images/s, %d in %.1f s, generator busy %.1f %%, on %s", share.imagesPerSecond(),
                    share.images(), share.seconds(), 100 * share.generatorBusyShare(), share.device());
        }
        line(text, "tail         %.2f s in which not every worker had something to do", tailSeconds);
        if (failed() > 0) {
            line(text, "failed       %d requests", failed());
        }
        return text.toString();
    }

    private static void line(StringBuilder text, String format, Object... arguments) {
        text.append(String.format(Locale.ROOT, format, arguments)).append(System.lineSeparator());
    }
}
