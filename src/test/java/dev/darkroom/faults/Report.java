package dev.darkroom.faults;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * What campaigns came to: {@code reliability.json}, and from it {@code reliability.md} and {@code reliability.png}. A seed that
 * is run again takes the place of its earlier run.
 *
 * @param faults over all runs, as {@code requests} to {@code images}
 * @param generatedTwiceShare images that were generated and put again by another process, of all images
 * @param lagAtEnd records that were not committed at the end, over all runs
 * @param longestLagZeroSeconds from the last fault until everything was answered and committed
 * @param kinds of how many kinds
 * @param seconds over all runs
 * @param machine what it ran on
 * @param soak one worker for a long time; null if that was not run
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Report(int faults, int kinds, List<Long> seeds, long seconds, int requests, int lost, int secondOutcomes,
        int mixedImages, int orphanOutcomes, int wrongOutcomes, int images, double generatedTwiceShare, int tooManyAttempts,
        int workersEndedByThemselves, int workersRestartedForLiveness, long lagAtEnd, double longestLagZeroSeconds,
        Map<String, Recovery> recoverySeconds, String machine, Soak soak, List<Run> runs) {

    private static final ObjectMapper JSON = new ObjectMapper()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
    private static final String NAME = "reliability";
    private static final int WIDTH = 1_000;
    private static final int HEIGHT = 260;

    /**
     * Seconds from the end of a fault until all was answered that waited then.
     *
     * @param faults how many, alone and among others
     * @param alone median where nothing else was done; null where it never was alone
     * @param longestAlone the longest of these
     * @param amongOthers median where others were going on
     * @param longestAmongOthers the longest of these
     */
    record Recovery(int faults, Double alone, Double longestAlone, Double amongOthers, Double longestAmongOthers) {
    }

    /** Adds to the report that lies in a folder, or begins one. */
    static void add(Path folder, List<Run> runs, Soak soak) throws IOException {
        Path file = folder.resolve(NAME + ".json");
        Report before = Files.exists(file) ? JSON.readValue(file.toFile(), Report.class) : of(List.of(), null);
        List<Run> all = new ArrayList<>(runs);
        before.runs().stream().filter(old -> runs.stream().noneMatch(run -> run.seed() == old.seed())).forEach(all::add);
        all.sort(Comparator.comparing(Run::seed));
        Report report = of(all, soak == null ? before.soak() : soak);
        Files.createDirectories(folder);
        JSON.writeValue(file.toFile(), report);
        Files.writeString(folder.resolve(NAME + ".md"), report.text());
        report.draw(folder.resolve(NAME));
    }

    static Report of(List<Run> runs, Soak soak) {
        int images = sum(runs, Run::images);
        Map<String, List<Double>> alone = new TreeMap<>();
        Map<String, List<Double>> among = new TreeMap<>();
        runs.forEach(run -> {
            run.aloneSeconds().forEach((kind, seconds) -> alone.computeIfAbsent(kind, k -> new ArrayList<>()).addAll(seconds));
            run.recoverySeconds().forEach((kind, seconds) -> among.computeIfAbsent(kind, k -> new ArrayList<>()).addAll(seconds));
        });
        Map<String, Recovery> recovery = new TreeMap<>();
        Stream.of(Kind.values()).map(Kind::label).forEach(kind -> {
            List<Double> its = alone.getOrDefault(kind, List.of());
            List<Double> others = among.getOrDefault(kind, List.of());
            if (its.size() + others.size() > 0) {
                recovery.put(kind, new Recovery(its.size() + others.size(), median(its), longest(its), median(others),
                        longest(others)));
            }
        });
        return new Report(sum(runs, Run::faults),
                runs.stream().flatMap(run -> run.faultsByKind().keySet().stream()).collect(java.util.stream.Collectors
                        .toCollection(TreeSet::new)).size(),
                runs.stream().map(Run::seed).toList(), runs.stream().mapToLong(Run::seconds).sum(), sum(runs, Run::requests),
                sum(runs, Run::lost), sum(runs, Run::secondOutcomes), sum(runs, Run::mixedImages), sum(runs, Run::orphanOutcomes),
                sum(runs, Run::wrongOutcomes), images,
                images == 0 ? 0 : runs.stream().mapToDouble(run -> run.generatedTwiceShare() * run.images()).sum() / images,
                sum(runs, Run::tooManyAttempts), sum(runs, Run::workersEndedByThemselves),
                sum(runs, Run::workersRestartedForLiveness), runs.stream().mapToLong(Run::lagAtEnd).sum(),
                runs.stream().mapToDouble(Run::lagZeroSeconds).max().orElse(0), recovery,
                "%d processors, %s, Java %s".formatted(Runtime.getRuntime().availableProcessors(),
                        System.getProperty("os.name") + " " + System.getProperty("os.arch"),
                        System.getProperty("java.specification.version")),
                soak, runs);
    }

    private static int sum(List<Run> runs, ToIntFunction<Run> what) {
        return runs.stream().mapToInt(what).sum();
    }

    private static Double median(List<Double> values) {
        return values.isEmpty() ? null : values.stream().sorted().toList().get(values.size() / 2);
    }

    private static Double longest(List<Double> values) {
        return values.stream().max(Comparator.naturalOrder()).orElse(null);
    }

    private String text() {
        StringBuilder text = new StringBuilder("""
                # What becomes of requests when things break

                Written by `./darkroom faults`, which starts workers, a Kafka broker and an S3 store as processes, puts a proxy
                between each worker and either server, sends requests, and does to all of them what a bad day does. Afterwards it
                reads the topics and the store, asks no worker, and looks for what must not be there. What is done follows from
                the seed; when it happens, also from how fast the machine is.

                """);
        if (!runs.isEmpty()) {
            campaign(text);
        }
        if (soak != null) {
            soak(text);
        }
        return text.toString();
    }

    private void campaign(StringBuilder text) {
        text.append("## What was found\n\n");
        List<String> names = new ArrayList<>(runs.stream().map(Report::name).toList());
        names.add("all");
        text.append("| | ").append(String.join(" | ", names)).append(" |\n|---|").append("---:|".repeat(names.size()))
                .append('\n');
        row(text, "faults", Run::faults, faults);
        row(text, "kinds of them", Run::kinds, kinds);
        row(text, "seconds in which they came", Run::seconds, seconds);
        row(text, "of these with nothing done to worker, broker or store", Run::calmSeconds,
                runs.stream().mapToLong(Run::calmSeconds).sum());
        row(text, "requests", Run::requests, requests);
        row(text, "**lost**: without an answer", Run::lost, lost);
        row(text, "**second outcomes**: told two things", Run::secondOutcomes, secondOutcomes);
        row(text, "**mixed images**: not what the request asked for", Run::mixedImages, mixedImages);
        row(text, "**orphans**: answers to nothing, outcomes without their image", Run::orphanOutcomes, orphanOutcomes);
        row(text, "answers of a kind that the request does not call for", Run::wrongOutcomes, wrongOutcomes);
        row(text, "images", Run::images, images);
        row(text, "of these generated twice", run -> percent(run.generatedTwiceShare()), percent(generatedTwiceShare));
        row(text, "given up, as workers kept dying under them", Run::tooManyAttempts, tooManyAttempts);
        row(text, "workers that ended by themselves", Run::workersEndedByThemselves, workersEndedByThemselves);
        row(text, "workers that asked for a restart", Run::workersRestartedForLiveness, workersRestartedForLiveness);
        row(text, "all answered and committed after the last fault", run -> seconds(run.lagZeroSeconds()),
                seconds(longestLagZeroSeconds));
        row(text, "lag at the end", Run::lagAtEnd, lagAtEnd);
        text.append("""

                ![Outcomes, lag and faults over the time of each run](reliability.png)

                Three workers, on %s, which other builds used at the same time.

                An image is compared, pixel by pixel, with the one that the same prompt and seed gave before anything was
                done, and its file must name its request. A request that kept dying with its workers is answered
                `TOO_MANY_ATTEMPTS`, as it is meant to be.

                An image counts as generated twice when two processes began to put it, whether the first put arrived or not,
                and as often again as there were more of them. So these are counted, though nobody could have spared them:
                copies of a request that came to several workers at the same moment (where requests are keyed by their id,
                copies are in one partition and never do), images that a worker could not store before it was killed, and
                those of a worker that was suspended, or cut off, until others had its partitions. Not counted is an image
                that was in memory alone when its worker was killed, since nobody outside can know of it, and what one
                process generates twice, which tests look after. An image that is there without an outcome is not generated
                again: whoever has its request next adopts it.

                ## What was done, and how long it took to recover

                Seconds from the end of a fault until everything was answered that waited then: where it was the only one, and
                where others went on at the same time, in the median and at the longest. A worker's death is over at once, so
                its time runs from the kill; what it had goes to others when its session with Kafka is over. Where a worker's
                death is alone, it is started again only when what it had has been answered.

                Among others no wait is that of one fault. A request needs some seconds in which its worker lives, and broker
                and store answer it; the table above says how rare they are. Broker and store fail every ten seconds or so,
                and a broker that was killed is back only when its JVM and its group are, which takes 8 to 20 s here.
                Meanwhile a request waits in a worker's line, and each time its worker is killed or its partition moves it
                waits in the next one's, behind what is there. The longest waits that were traced were of two to four such
                turns.

                | fault | what | faults | alone | longest | among others | longest |
                |---|---|---:|---:|---:|---:|---:|
                """.formatted(machine));
        for (Kind kind : Kind.values()) {
            Recovery its = recoverySeconds.get(kind.label());
            if (its != null) {
                text.append("| `%s` | %s | %d | %s | %s | %s | %s |%n".formatted(kind.label(), kind.what, its.faults(),
                        seconds(its.alone()), seconds(its.longestAlone()), seconds(its.amongOthers()),
                        seconds(its.longestAmongOthers())));
            }
        }
        text.append('\n');
    }

    private static String name(Run run) {
        return run.seed() == Plan.ONE_BY_ONE ? "one by one" : "seed " + run.seed();
    }

    private void row(StringBuilder text, String name, Function<Run, Object> each, Object all) {
        text.append("| ").append(name).append(" | ");
        runs.forEach(run -> text.append(each.apply(run)).append(" | "));
        text.append(all).append(" |\n");
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.2f %%", 100 * share);
    }

    private static String seconds(Double seconds) {
        return seconds == null ? "" : String.format(Locale.ROOT, "%.1f", seconds);
    }

    private void soak(StringBuilder text) {
        text.append(String.format(Locale.ROOT, """
                ## A worker for %d minutes

                One worker at half of what it could do of a backlog (%.1f of %.1f requests a second), nothing done to it:
                %,d requests, %d of them without an outcome. What its process held in the last two thirds of that time, the
                mean of the first quarter against that of the last:

                | | first | last | growth | least | most |
                |---|---:|---:|---:|---:|---:|
                """, soak.minutes(), soak.rate(), soak.capacity(), soak.requests(), soak.unanswered()));
        soak.held().forEach((name, held) -> text.append(String.format(Locale.ROOT,
                "| %s | %.1f | %.1f | %+.1f %% | %.1f | %.1f |%n",
                name, held.first(), held.last(), 100 * held.growth(), held.least(), held.most())));
    }

    private void draw(Path file) throws IOException {
        if (runs.isEmpty()) {
            return;
        }
        System.setProperty("java.awt.headless", "true");
        List<Chart<?, ?>> charts = new ArrayList<>();
        for (Run run : runs) {
            XYChart chart = new XYChartBuilder().width(WIDTH).height(HEIGHT).title(name(run))
                    .xAxisTitle("minutes since the first fault").build();
            chart.getStyler().setPlotGridVerticalLinesVisible(false).setYAxisMin(0.0);
            chart.getStyler().setLegendPosition(LegendPosition.OutsideE).setChartBackgroundColor(Color.WHITE);
            List<Double> minutes = run.timeline().seconds().stream().map(seconds -> seconds / 60.0).toList();
            series(chart, "outcomes in 10 s", minutes, run.timeline().outcomes());
            series(chart, "lag, records", minutes, run.timeline().lag());
            series(chart, "faults begun in 10 s", minutes, run.timeline().faults());
            charts.add(chart);
        }
        BitmapEncoder.saveBitmap(charts, charts.size(), 1, file.toString(), BitmapEncoder.BitmapFormat.PNG);
    }

    /** Where the broker was away, the lag is not known, and the line has a gap. */
    private static void series(XYChart chart, String name, List<Double> minutes, List<Long> values) {
        chart.addSeries(name, minutes, values.stream().map(value -> value < 0 ? Double.NaN : (double) value).toList())
                .setMarker(SeriesMarkers.NONE).setLineWidth(1.2f);
    }
}
