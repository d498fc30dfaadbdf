package dev.darkroom.faults;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/**
 * One worker for a long time at half of what it can do, and nothing done to it: what it holds must not grow. The last two
 * thirds count; before them a JVM compiles and fills its pools.
 *
 * @param minutes how long
 * @param capacity requests a second that it got done of a backlog at the start
 * @param rate requests a second afterwards
 * @param requests how many in all
 * @param unanswered those that had no outcome at the end
 * @param held by name: memory in MiB, or a number
 * @param samples some a run, in order
 */
record Soak(long minutes, double capacity, double rate, int requests, int unanswered, Map<String, Held> held,
        List<Sample> samples) {

    private static final int BACKLOG = 100;
    private static final int MOST_OPEN = 100;
    private static final double MIB = 1 << 20;
    private static final double COUNTED = 2 / 3.0;
    /** Parts of the counted time whose means are compared. */
    private static final int PARTS = 4;
    private static final Duration PATIENCE = Duration.ofMinutes(10);
    private static final Duration SAMPLING = Duration.ofSeconds(10);

    /**
     * What the process held.
     *
     * @param at seconds since the start
     * @param rss resident memory in MiB
     * @param nonheap the JVM's memory beside its heap, in MiB
     */
    record Sample(long at, double rss, int threads, int descriptors, double nonheap) {
    }

    /**
     * Over the time that counts: the means of its first and its last quarter, and the extremes.
     *
     * @param growth of the mean from the first quarter to the last, as a share
     */
    record Held(double first, double last, double least, double most, double growth) {
    }

    static Soak run(Path folder, Duration time, Consumer<String> progress) throws Exception {
        try (Cluster cluster = new Cluster(folder, 1, List.of("-Xmx512m"));
                Observer observer = new Observer(cluster.bootstrapServers());
                Requests requests = new Requests(cluster.bootstrapServers(), "soak", observer.answeredAt().keySet())) {
            cluster.awaitReady();
            Random random = new Random(1);
            double capacity = capacity(observer, requests, random);
            double rate = capacity / 2;
            progress.accept("%.2f requests a second of a backlog; half of that for %d minutes".formatted(
                    capacity, time.toMinutes()));
            Worker worker = cluster.workers().get(0);
            List<Sample> samples = new ArrayList<>();
            Set<String> open = new HashSet<>();
            long start = System.nanoTime();
            long due = start;
            while (System.nanoTime() - start < time.toNanos()) {
                open.removeAll(observer.answeredAt().keySet());
                if (open.size() < MOST_OPEN) {
                    open.add(requests.ordinary(Pictures.any(random)));
                }
                Thread.sleep((long) (1_000 / rate * (0.5 + random.nextDouble())));
                if (System.nanoTime() > due) {
                    due += SAMPLING.toNanos();
                    samples.add(sample(worker, (System.nanoTime() - start) / 1_000_000_000));
                }
            }
            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!open.isEmpty() && System.nanoTime() < end) {
                Thread.sleep(200);
                open.removeAll(observer.answeredAt().keySet());
            }
            return new Soak(time.toMinutes(), capacity, rate, requests.ordinary().size(), open.size(), held(samples),
                    every(samples, 30));
        }
    }

    private static double capacity(Observer observer, Requests requests, Random random) throws InterruptedException {
        Set<String> open = new HashSet<>();
        long start = System.nanoTime();
        for (int i = 0; i < BACKLOG; i++) {
            open.add(requests.ordinary(Pictures.any(random)));
        }
        while (!open.isEmpty()) {
            if (System.nanoTime() - start > PATIENCE.toNanos()) {
                throw new IllegalStateException("%d of the first %d requests have no outcome after %d s".formatted(
                        open.size(), BACKLOG, PATIENCE.toSeconds()));
            }
            Thread.sleep(50);
            open.removeAll(observer.answeredAt().keySet());
        }
        return BACKLOG / ((System.nanoTime() - start) / 1e9);
    }

    private static Sample sample(Worker worker, long at) throws IOException, InterruptedException {
        Path process = Path.of("/proc", Long.toString(worker.process().pid()));
        Map<String, Long> status = new TreeMap<>();
        for (String line : Files.readAllLines(process.resolve("status"))) {
            if (line.startsWith("VmRSS:") || line.startsWith("Threads:")) {
                status.put(line.substring(0, line.indexOf(':')), Long.parseLong(line.replaceAll("\\D", "")));
            }
        }
        double nonheap = worker.metrics().lines()
                .filter(line -> line.startsWith("jvm_memory_used_bytes{") && line.contains("nonheap"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1))).sum();
        try (Stream<Path> descriptors = Files.list(process.resolve("fd"))) {
            return new Sample(at, status.get("VmRSS") / 1024.0, Math.toIntExact(status.get("Threads")),
                    (int) descriptors.count(), nonheap / MIB);
        }
    }

    private static Map<String, Held> held(List<Sample> samples) {
        List<Sample> counted = samples.subList((int) (samples.size() * (1 - COUNTED)), samples.size());
        Map<String, Held> held = new LinkedHashMap<>();
        held.put("RSS, MiB", held(counted, Sample::rss));
        held.put("non-heap, MiB", held(counted, Sample::nonheap));
        held.put("threads", held(counted, Sample::threads));
        held.put("file descriptors", held(counted, Sample::descriptors));
        return held;
    }

    private static Held held(List<Sample> samples, ToDoubleFunction<Sample> what) {
        int part = Math.max(1, samples.size() / PARTS);
        double first = samples.subList(0, part).stream().mapToDouble(what).average().orElse(0);
        double last = samples.subList(samples.size() - part, samples.size()).stream().mapToDouble(what).average().orElse(0);
        return new Held(first, last, samples.stream().mapToDouble(what).min().orElse(0),
                samples.stream().mapToDouble(what).max().orElse(0), last / first - 1);
    }

    private static List<Sample> every(List<Sample> samples, int nth) {
        List<Sample> some = new ArrayList<>();
        for (int i = 0; i < samples.size(); i += nth) {
            some.add(samples.get(i));
        }
        return some;
    }
}
