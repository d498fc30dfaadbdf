package dev.darkroom.faults;

import dev.darkroom.faults.Proxy.Behaviour;
import dev.darkroom.tools.ClassArchive;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** A worker, from process to process, with a proxy each between it and broker and store. */
final class Worker implements AutoCloseable {

    private static final Duration ANSWER = Duration.ofSeconds(2);
    private static final String IMAGES = "PUT /darkroom/images/";

    private final HttpClient http = HttpClient.newHttpClient();
    private final String name;
    private final Path folder;
    private final List<String> jvm;
    private final int port;
    private final Proxy kafka;
    private final Proxy store;
    private final Map<String, String> environment;
    /** Which images each of its processes has put, as {@code <worker>.<process> <key>}, and when first. */
    private final Map<String, Long> put = new ConcurrentHashMap<>();
    private volatile Child process;
    private volatile boolean wanted;
    private volatile int processes;
    private int endedByThemselves;

    /** @param jvm options of its JVM */
    Worker(Cluster cluster, int number, List<String> jvm, int port, Proxy.Listening kafka, Proxy.Listening store)
            throws IOException {
        this.name = "worker-" + number;
        this.folder = cluster.folder();
        this.jvm = jvm;
        this.port = port;
        this.kafka = new Proxy(kafka, request -> { });
        this.store = new Proxy(store, this::note);
        this.environment = new HashMap<>(Map.of(
                "KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:" + kafka.port(),
                "MP_MESSAGING_INCOMING_REQUESTS_CLIENT_ID", name,
                "MP_MESSAGING_INCOMING_EXPRESS_CLIENT_ID", name + "-express",
                "DARKROOM_STORE_ENDPOINT", "http://127.0.0.1:" + store.port(),
                "DARKROOM_STORE_ACCESS_KEY", cluster.accessKey(),
                "DARKROOM_STORE_SECRET_KEY", cluster.secretKey(),
                "DARKROOM_STATE_DIR", state().toString(),
                "QUARKUS_HTTP_HOST", "127.0.0.1",
                "QUARKUS_HTTP_PORT", String.valueOf(port),
                // Several workers share the processors of one machine
                "OMP_NUM_THREADS", "1"));
    }

    private void note(String request) {
        if (request.startsWith(IMAGES)) {
            put.putIfAbsent(name + "." + processes + " " + request.substring(IMAGES.length(), request.lastIndexOf(' ')),
                    System.currentTimeMillis());
        }
    }

    String name() {
        return name;
    }

    Map<String, Long> put() {
        return put;
    }

    Path log() {
        return folder.resolve(name + ".log");
    }

    Path state() {
        return folder.resolve(name);
    }

    Child process() {
        return process;
    }

    /** How often a process of it ended that nobody had ended. */
    int endedByThemselves() {
        return endedByThemselves;
    }

    /** @param options of the JVM, beside those of all of the worker's */
    synchronized void start(String... options) {
        List<String> command = new ArrayList<>(List.of(Cluster.java()));
        command.addAll(ClassArchive.options("worker"));
        command.addAll(jvm);
        command.addAll(List.of(options));
        command.addAll(List.of("-jar", Cluster.home().resolve("target/quarkus-app/quarkus-run.jar").toString(), "worker"));
        processes++;
        process = Child.start(command, environment, log(), false);
        wanted = true;
    }

    synchronized void kill() throws InterruptedException {
        wanted = false;
        process.kill();
    }

    /** SIGTERM; ends it the hard way where it does not go within a minute. */
    void terminate() throws InterruptedException {
        wanted = false;
        process.terminate();
        if (!process.awaitEnd(60)) {
            throw new IllegalStateException(name + " did not end within a minute of SIGTERM");
        }
    }

    /** SIGTERM, and back at once. */
    void leave() {
        wanted = false;
        process.terminate();
    }

    /** Starts it again where it has ended though nobody ended it, as whoever runs workers does. */
    synchronized void startIfGone() {
        if (wanted && !process.alive()) {
            endedByThemselves++;
            start();
        }
    }

    Proxy kafka() {
        return kafka;
    }

    Proxy store() {
        return store;
    }

    /** Ready, as it says itself. */
    boolean ready() {
        return get("/q/health/ready") == 200;
    }

    /** What it says of itself at {@code /q/health/live}: 200, 503, or 0 where it says nothing. */
    int live() {
        return get("/q/health/live");
    }

    private int get(String path) {
        try {
            return http.send(request(path), BodyHandlers.discarding()).statusCode();
        } catch (IOException e) {
            return 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 0;
        }
    }

    /** Its metrics, as Prometheus reads them. */
    String metrics() throws IOException, InterruptedException {
        HttpResponse<String> answer = http.send(request("/q/metrics"), BodyHandlers.ofString());
        return answer.body();
    }

    private HttpRequest request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).timeout(ANSWER).build();
    }

    /** Waits until it is ready; @return false if it is not within that time */
    boolean awaitReady(Duration patience) throws InterruptedException {
        long end = System.nanoTime() + patience.toNanos();
        while (!ready()) {
            startIfGone();
            if (System.nanoTime() > end) {
                return false;
            }
            Thread.sleep(200);
        }
        return true;
    }

    /** Everything passes again. */
    void mend() throws IOException {
        kafka.behave(Behaviour.PASS);
        store.behave(Behaviour.PASS);
    }

    /** The file in which it keeps what it is generating. */
    Path journal() throws IOException {
        return Files.createDirectories(state().resolve("worker-0")).resolve("generating.json");
    }

    @Override
    public void close() throws IOException {
        wanted = false;
        kafka.close();
        store.close();
        if (process != null && process.alive()) {
            process.process().destroyForcibly();
        }
    }
}
