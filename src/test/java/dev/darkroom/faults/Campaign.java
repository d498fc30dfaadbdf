package dev.darkroom.faults;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.faults.Checker.Verdict;
import dev.darkroom.faults.Observer.Sample;
import dev.darkroom.faults.Plan.Fault;
import dev.darkroom.faults.Plan.Lane;
import dev.darkroom.worker.store.MinioImageStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongPredicate;
import java.util.stream.Collectors;
import org.apache.kafka.common.TopicPartition;

/** One seed: workers, a load, everything that the plan says, peace, and a look at what came of it. */
final class Campaign {

    /** Workers are started often, and their JVMs are not to compile for long. */
    private static final List<String> QUICK = List.of("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");
    private static final Duration READY = Duration.ofSeconds(60);
    private static final Duration PATIENCE = Duration.ofSeconds(180);
    private static final long WATCH_MS = 2_000;
    /** How often in a row a worker must say that it needs a restart before it gets one. */
    private static final int LIVENESS_FAILURES = 3;
    private static final int MOST_FINDINGS = 20;
    /** One of so many is cancelled a little later, and another one is an express request. */
    private static final int ONE_OF = 10;
    private static final int STRETCH_MS = 10_000;
    /** What the timeline shows of the time after the last fault. */
    private static final int CALM_MS = 60_000;

    private final Plan plan;
    private final Path folder;
    private final int workers;
    private final double rate;
    private final int mostOpen;
    private final Consumer<String> progress;
    private final List<Done> done = Collections.synchronizedList(new ArrayList<>());
    private final Pictures pictures = new Pictures();
    private volatile boolean loading = true;
    private volatile boolean over;
    private int restartedForLiveness;

    /** A fault that is over; times in milliseconds since 1970. */
    private record Done(Fault fault, String worker, long start, long end, boolean alone) {
    }

    /**
     * @param folder for data and logs; it must be empty
     * @param rate ordinary requests a second
     * @param mostOpen ordinary requests that may be without an answer at once
     */
    Campaign(Plan plan, Path folder, int workers, double rate, int mostOpen, Consumer<String> progress) {
        this.plan = plan;
        this.folder = folder;
        this.workers = workers;
        this.rate = rate;
        this.mostOpen = mostOpen;
        this.progress = progress;
    }

    Run run() throws Exception {
        progress.accept("starting a broker, a store and %d workers".formatted(workers));
        try (Cluster cluster = new Cluster(folder, workers, QUICK);
                Observer observer = new Observer(cluster.bootstrapServers());
                Requests requests = new Requests(cluster.bootstrapServers(), "s" + plan.seed(),
                        observer.answeredAt().keySet());
                MinioImageStore store = cluster.objects()) {
            cluster.awaitReady();
            progress.accept("%d pictures without faults".formatted(Pictures.count()));
            learn(requests, observer, store);
            ExecutorService threads = Executors.newCachedThreadPool(task -> {
                Thread thread = new Thread(task, "campaign");
                thread.setDaemon(true);
                return thread;
            });
            List<Future<Void>> company = List.of(
                    threads.submit(told(() -> load(requests, observer))), threads.submit(told(() -> watch(cluster))));
            long start = System.currentTimeMillis();
            storm(cluster, requests, threads, start);
            Map<String, List<Double>> alone = new TreeMap<>();
            for (int i = 0; i < plan.alone().size(); i++) {
                Fault fault = plan.alone().get(i);
                alone.computeIfAbsent(fault.kind().label(), kind -> new ArrayList<>())
                        .add(alone(fault, cluster.workers().get(i % workers), cluster, observer, requests));
            }
            long end = System.currentTimeMillis();
            double lagZero = settle(requests, observer, end);
            over = true;
            for (Future<Void> each : company) {
                // A campaign without its load, or without anybody who starts workers again, shows nothing
                each.get();
            }
            long lag = observer.lag();
            progress.accept("looking at what came of it");
            Verdict verdict = new Checker(observer.requests(), List.copyOf(observer.answers()), store::get, pictures).check();
            threads.shutdownNow();
            writeDown(cluster, observer, requests);
            return result(cluster, observer, requests, verdict, start, end, lag, lagZero, alone);
        }
    }

    /** A task whose failure is told at once; whoever waits for it gets it, too. */
    private <T> Callable<T> told(Callable<T> task) {
        return () -> {
            try {
                return task.call();
            } catch (Exception e) {
                progress.accept("the campaign itself failed: " + e);
                throw e;
            }
        };
    }

    /** What every picture looks like when nothing is done to anybody. */
    private void learn(Requests requests, Observer observer, MinioImageStore store) throws Exception {
        Map<Integer, String> ids = new HashMap<>();
        for (int picture : Pictures.all()) {
            ids.put(picture, requests.ordinary("s%d-reference-%02d".formatted(plan.seed(), picture), picture, null));
        }
        await(PATIENCE, "pictures without faults", () -> observer.answeredAt().keySet().containsAll(ids.values()));
        for (Map.Entry<Integer, String> each : ids.entrySet()) {
            Message completed = observer.answers().stream()
                    .filter(answer -> each.getValue().equals(answer.header("ce_subject"))).findFirst().orElseThrow();
            JsonNode json = new ObjectMapper().readTree(completed.value());
            pictures.learn(each.getKey(), store.get(json.at("/images/0/key").asText()).orElseThrow());
        }
    }

    /** Ordinary requests, for as long as not too many are without an answer; some are cancelled, some go first. */
    private Void load(Requests requests, Observer observer) throws InterruptedException {
        Random random = new Random(plan.seed());
        Set<String> open = new HashSet<>();
        Deque<String> regretted = new ArrayDeque<>();
        while (!over) {
            Thread.sleep((long) (1_000 / rate * (0.5 + random.nextDouble())));
            open.removeAll(observer.answeredAt().keySet());
            if (loading && open.size() < mostOpen) {
                int kind = random.nextInt(ONE_OF);
                if (kind == 0) {
                    regretted.add(requests.regretted(Pictures.any(random)));
                    open.add(regretted.getLast());
                } else {
                    open.add(kind == 1 ? requests.express(Pictures.any(random)) : requests.ordinary(Pictures.any(random)));
                }
            }
            if (!regretted.isEmpty() && random.nextBoolean()) {
                requests.cancel(regretted.remove());
            }
        }
        return null;
    }

    /** Starts workers again that have ended, or say that they need it: somebody does that wherever there are workers. */
    private Void watch(Cluster cluster) throws InterruptedException {
        Map<Worker, Integer> failures = new HashMap<>();
        while (!over) {
            Thread.sleep(WATCH_MS);
            for (Worker worker : cluster.workers()) {
                worker.startIfGone();
                failures.merge(worker, worker.live() == 503 ? 1 : -LIVENESS_FAILURES, (a, b) -> Math.max(0, a + b));
                if (failures.get(worker) >= LIVENESS_FAILURES) {
                    restartedForLiveness++;
                    progress.accept(worker.name() + " asked for a restart");
                    worker.kill();
                    worker.start();
                    failures.put(worker, 0);
                }
            }
        }
        return null;
    }

    private void storm(Cluster cluster, Requests requests, ExecutorService threads, long start) throws Exception {
        Injector injector = new Injector(cluster, requests);
        CountDownLatch left = new CountDownLatch(plan.lanes().size());
        List<Future<Void>> lanes = new ArrayList<>();
        for (Lane lane : plan.lanes()) {
            lanes.add(threads.submit(told(() -> {
                try {
                    return follow(lane, cluster, injector);
                } finally {
                    left.countDown();
                }
            })));
        }
        int told = 0;
        while (!left.await(1, java.util.concurrent.TimeUnit.SECONDS)) {
            if (done.size() / 20 > told) {
                told = done.size() / 20;
                progress.accept("%d of %d faults, %d s".formatted(
                        done.size(), plan.faults(), (System.currentTimeMillis() - start) / 1_000));
            }
        }
        for (Future<Void> lane : lanes) {
            lane.get();
        }
        for (Worker worker : cluster.workers()) {
            worker.mend();
        }
    }

    private Void follow(Lane lane, Cluster cluster, Injector injector) throws Exception {
        Worker worker = lane.worker() < 0 ? null : cluster.workers().get(lane.worker());
        for (Fault fault : lane.faults()) {
            if (worker != null && !worker.awaitReady(READY)) {
                progress.accept(worker.name() + " is not ready after " + READY.toSeconds() + " s");
            }
            Thread.sleep(fault.before());
            long start = System.currentTimeMillis();
            injector.inject(fault, worker);
            done.add(new Done(fault, worker == null ? "" : worker.name(), start, System.currentTimeMillis(), false));
        }
        return null;
    }

    /** Peace: one more request for each partition, and no others until all is answered and committed. */
    private double settle(Requests requests, Observer observer, long end) throws InterruptedException {
        loading = false;
        for (int partition = 0; partition < Cluster.PARTITIONS; partition++) {
            requests.ordinary("s%d-last-%02d".formatted(plan.seed(), partition), partition % Pictures.count(), partition);
        }
        awaitAnswered(requests, observer);
        double seconds = (System.currentTimeMillis() - end) / 1_000.0;
        progress.accept("all answered and committed %.1f s after the last fault".formatted(seconds));
        return seconds;
    }

    private void awaitAnswered(Requests requests, Observer observer) throws InterruptedException {
        await(PATIENCE, "the last answers", () -> observer.lag() == 0 && observer.answeredAt().keySet().containsAll(
                requests.ordinary().stream().map(Requests.Sent::id).toList()));
    }

    /**
     * Does a fault while nothing else is done, under load.
     *
     * @return seconds from its end until everything is answered that waited then
     */
    private double alone(Fault fault, Worker worker, Cluster cluster, Observer observer, Requests requests) throws Exception {
        cluster.awaitReady();
        await(PATIENCE, "partitions for every worker", () -> cluster.workers().stream()
                .allMatch(each -> observer.partitions(each).stream().filter(its -> its.topic().equals(Cluster.REQUESTS)).count()
                        >= Cluster.PARTITIONS / workers - 1));
        Thread.sleep(fault.before());
        Random random = new Random(fault.seed());
        // So that there is something that whoever it befalls has not answered
        for (int partition = 0; partition < Cluster.PARTITIONS; partition++) {
            requests.ordinary("s%d-alone-%06d-%02d".formatted(plan.seed(), requests.ordinary().size(), partition),
                    Pictures.any(random), partition);
        }
        Set<TopicPartition> its = observer.partitions(worker);
        long start = System.currentTimeMillis();
        boolean killed = fault.kind() == Kind.WORKER_KILLED;
        if (killed) {
            worker.kill();
        } else {
            new Injector(cluster, requests).inject(fault, worker);
        }
        long end = System.currentTimeMillis();
        done.add(new Done(fault, worker.name(), start, end, true));
        // What a worker had that is dead is in question, and how soon others have it; not how soon that one is back
        List<String> waiting = requests.ordinary().stream().filter(sent -> sent.sent() <= end)
                .filter(sent -> !killed || its.contains(sent.partition())).map(Requests.Sent::id).toList();
        await(PATIENCE, "what waited when it was over", () -> observer.answeredAt().keySet().containsAll(waiting));
        if (killed) {
            worker.start();
        }
        double seconds = Math.max(0, waiting.stream().mapToLong(id -> observer.answeredAt().getOrDefault(id, 0L)).max()
                .orElse(0) - end) / 1_000.0;
        progress.accept("%s alone, for %.1f s: all well after %.1f s".formatted(
                fault.kind().label(), (end - start) / 1_000.0, seconds));
        return seconds;
    }

    private void await(Duration patience, String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + patience.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                progress.accept("still without " + what + " after " + patience.toSeconds() + " s");
                return;
            }
            Thread.sleep(100);
        }
    }

    /** What happened when, for whoever wonders: times in milliseconds since 1970, workers' logs may have another clock. */
    private void writeDown(Cluster cluster, Observer observer, Requests requests) throws IOException {
        Files.write(folder.resolve("faults.tsv"), done.stream().map(each -> "%d\t%d\t%s\t%s".formatted(each.start(),
                each.end(), each.fault().kind().label(), each.worker())).toList());
        Files.write(folder.resolve("requests.tsv"), requests.ordinary().stream().map(sent -> "%d\t%d\t%s\t%s".formatted(
                sent.sent(), observer.answeredAt().getOrDefault(sent.id(), 0L) - sent.sent(), sent.partition(),
                sent.id())).toList());
        Files.write(folder.resolve("images.tsv"), cluster.workers().stream().flatMap(worker -> worker.put().entrySet().stream())
                .map(put -> put.getValue() + "\t" + put.getKey().replace(' ', '\t')).sorted().toList());
    }

    private Run result(Cluster cluster, Observer observer, Requests requests, Verdict verdict, long start, long end, long lag,
            double lagZero, Map<String, List<Double>> alone) {
        Map<String, Integer> byKind = new TreeMap<>();
        done.forEach(each -> byKind.merge(each.fault().kind().label(), 1, Integer::sum));
        List<String> findings = new ArrayList<>();
        List.of(verdict.lost(), verdict.secondOutcomes(), verdict.mixedImages(), verdict.orphanOutcomes(),
                verdict.wrongOutcomes()).forEach(found -> findings.addAll(found.stream().limit(MOST_FINDINGS).toList()));
        return new Run(plan.seed(), done.size(), byKind.size(), byKind, (end - start) / 1_000, calm(start, end),
                verdict.requests(),
                verdict.lost().size(), verdict.secondOutcomes().size(), verdict.mixedImages().size(),
                verdict.orphanOutcomes().size(), verdict.wrongOutcomes().size(), verdict.images(),
                generatedTwice(cluster), cluster.workers().stream().mapToInt(Worker::endedByThemselves).sum(),
                restartedForLiveness, verdict.tooManyAttempts(), lag, lagZero, recovery(observer, requests), alone, findings,
                timeline(observer, start, end));
    }

    /** Seconds in which nothing was being done to worker, broker or store; records that are faults disturb no others. */
    private long calm(long start, long end) {
        long calm = 0;
        long busyUntil = start;
        for (Done next : done.stream().filter(each -> each.fault().kind().target != Kind.Target.RECORDS)
                .sorted(Comparator.comparing(Done::start)).toList()) {
            calm += Math.max(0, next.start() - busyUntil);
            busyUntil = Math.max(busyUntil, next.end());
        }
        return (calm + Math.max(0, end - busyUntil)) / 1_000;
    }

    /** An image that two processes have put was generated by both. */
    private static double generatedTwice(Cluster cluster) {
        Map<String, Long> processes = cluster.workers().stream().flatMap(worker -> worker.put().keySet().stream())
                .map(put -> put.substring(put.indexOf(' ') + 1))
                .collect(Collectors.groupingBy(key -> key, Collectors.counting()));
        return processes.isEmpty() ? 0 : processes.values().stream().mapToLong(count -> count - 1).sum()
                / (double) processes.size();
    }

    private Map<String, List<Double>> recovery(Observer observer, Requests requests) {
        Map<String, List<Double>> seconds = new TreeMap<>();
        done.stream().filter(each -> !each.alone()).forEach(each -> {
            long last = requests.ordinary().stream().filter(sent -> sent.sent() <= each.end())
                    .mapToLong(sent -> observer.answeredAt().getOrDefault(sent.id(), 0L)).max().orElse(0);
            seconds.computeIfAbsent(each.fault().kind().label(), kind -> new ArrayList<>())
                    .add(Math.max(0, last - each.end()) / 1_000.0);
        });
        return seconds;
    }

    private Run.Timeline timeline(Observer observer, long start, long end) {
        Run.Timeline timeline = new Run.Timeline(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (long at = start; at < end + CALM_MS; at += STRETCH_MS) {
            long from = at;
            LongPredicate within = time -> time >= from && time < from + STRETCH_MS;
            timeline.seconds().add((from - start) / 1_000);
            timeline.outcomes().add(observer.answeredAt().values().stream().filter(within::test).count());
            timeline.lag().add(observer.samples().stream().filter(sample -> within.test(sample.at()))
                    .mapToLong(Sample::lag).max().orElse(-1));
            timeline.faults().add(done.stream().filter(each -> within.test(each.start())).count());
        }
        return timeline;
    }
}
