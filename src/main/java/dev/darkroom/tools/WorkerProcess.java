package dev.darkroom.tools;

import dev.darkroom.torch.DeviceSelection;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A worker in a JVM of its own, pinned to a device, against the embedded broker and store. All else it takes from the
 * environment, as any worker does. It ends when it is closed, or when this process is asked to end.
 */
public final class WorkerProcess implements AutoCloseable {

    private static final Duration ANSWER = Duration.ofSeconds(10);
    private static final Duration START = Duration.ofMinutes(10);
    private static final long READY_POLL_MS = 100;
    private static final int STOP_SECONDS = 60;
    private static final Pattern BUSY = Pattern.compile("(?m)^darkroom_generator_busy_seconds_total(?:\\{.*})? (\\S+)$");

    private final HttpClient http = HttpClient.newHttpClient();
    private final Process process;
    private final Thread end;
    private final Path log;
    private final int port;
    private final String source;

    private WorkerProcess(Process process, Path log, int port, String source) {
        this.process = process;
        this.log = log;
        this.port = port;
        this.source = source;
        end = new Thread(process::destroy);
        Runtime.getRuntime().addShutdownHook(end);
    }

    /**
     * Starts a worker; {@link #awaitReady} waits for it.
     *
     * @param name tells workers of one folder from each other, as {@code worker-0}
     * @param folder where it keeps its log and its state
     */
    public static WorkerProcess start(StackProcess stack, DeviceSelection device, String name, Path folder) {
        int port = freePort();
        String source = "/darkroom/" + name;
        Path log = folder.resolve(name + ".log");
        Process process = ChildCommand.start(List.of("worker"), Map.of(
                "KAFKA_BOOTSTRAP_SERVERS", stack.bootstrapServers(),
                "DARKROOM_STORE_ENDPOINT", stack.storeEndpoint(),
                "DARKROOM_STORE_ACCESS_KEY", stack.accessKey(),
                "DARKROOM_STORE_SECRET_KEY", stack.secretKey(),
                "DARKROOM_DEVICE_INDEX", String.valueOf(device.index()),
                "DARKROOM_STATE_DIR", folder.resolve(name).toString(),
                "DARKROOM_EVENTS_SOURCE", source,
                "QUARKUS_HTTP_HOST", "127.0.0.1",
                "QUARKUS_HTTP_PORT", String.valueOf(port)), log);
        return new WorkerProcess(process, log, port, source);
    }

    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The CloudEvents {@code source} of this worker's events. */
    public String source() {
        return source;
    }

    /**
     * Waits until the model is loaded and everything is connected.
     *
     * @throws CommandException if the worker ends instead, or takes ten minutes
     */
    public void awaitReady() {
        long deadline = System.nanoTime() + START.toNanos();
        while (!isReady()) {
            requireAlive();
            if (System.nanoTime() > deadline) {
                throw new CommandException("The worker is not ready after %d minutes. Its log: %s".formatted(
                        START.toMinutes(), log));
            }
            try {
                Thread.sleep(READY_POLL_MS);
            } catch (InterruptedException e) {
                throw interrupted(e);
            }
        }
    }

    private boolean isReady() {
        try {
            return get("/q/health/ready").statusCode() == 200;
        } catch (IOException e) {
            return false;
        }
    }

    /** @throws CommandException if the worker has ended */
    public void requireAlive() {
        if (!process.isAlive()) {
            throw new CommandException("The worker ended with exit code %d. Its log: %s".formatted(process.exitValue(), log));
        }
    }

    /** The worker's own count of the time in which its generator had a batch, in seconds. */
    public double busySeconds() {
        try {
            Matcher busy = BUSY.matcher(get("/q/metrics").body());
            return busy.find() ? Double.parseDouble(busy.group(1)) : Double.NaN;
        } catch (IOException e) {
            throw new CommandException("The worker does not tell its metrics: %s Its log: %s".formatted(e.getMessage(), log), e);
        }
    }

    private HttpResponse<String> get(String path) throws IOException {
        URI uri = URI.create("http://127.0.0.1:" + port + path);
        try {
            return http.send(HttpRequest.newBuilder(uri).timeout(ANSWER).build(), BodyHandlers.ofString());
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
    }

    private static CommandException interrupted(InterruptedException e) {
        Thread.currentThread().interrupt();
        return new CommandException("Interrupted.", e);
    }

    /** Asks the worker to end and waits until it is gone. */
    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
        Runtime.getRuntime().removeShutdownHook(end);
    }
}
