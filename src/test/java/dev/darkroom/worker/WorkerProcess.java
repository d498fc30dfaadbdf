package dev.darkroom.worker;

import dev.darkroom.stack.Stack;
import dev.darkroom.tools.ClassArchive;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The packaged worker in a process of its own, which can be ended the hard way. */
final class WorkerProcess implements AutoCloseable {

    private static final Path RUNNER = Path.of("target", "quarkus-app", "quarkus-run.jar");

    /** Loaded in a moment; no test of processes is about what its images show. */
    static final Path BUNDLE = Path.of("src", "test", "resources", "golden", "pictures", "bundle");

    private final Process process;
    private final Path log;

    private WorkerProcess(Process process, Path log) {
        this.process = process;
        this.log = log;
    }

    static WorkerProcess start(Stack stack, Path folder, Map<String, String> environment) {
        try {
            Path log = Files.createTempFile(folder, "worker-", ".log");
            List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx512m",
                    // As the tests themselves have it, see pom.xml
                    "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
            command.addAll(ClassArchive.options("worker"));
            command.addAll(List.of("-jar", RUNNER.toString(), "worker"));
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile());
            builder.environment().putAll(Map.of(
                    "KAFKA_BOOTSTRAP_SERVERS", stack.bootstrapServers(),
                    "DARKROOM_STORE_ENDPOINT", stack.storeEndpoint().toString(),
                    "DARKROOM_STORE_ACCESS_KEY", stack.accessKey(),
                    "DARKROOM_STORE_SECRET_KEY", stack.secretKey(),
                    "DARKROOM_BUNDLE", BUNDLE.toAbsolutePath().toString(),
                    "DARKROOM_STATE_DIR", folder.resolve("state").toString(),
                    "QUARKUS_HTTP_PORT", "0"));
            builder.environment().putAll(environment);
            return new WorkerProcess(builder.start(), log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends it as a crash would: at once, and nothing is tidied up. */
    void kill() {
        process.destroyForcibly();
        awaitEnd();
    }

    /** Asks it to end, as an orchestrator does, and returns its exit status. */
    int terminate() {
        process.destroy();
        return awaitEnd();
    }

    /** Stops it in its tracks, as a machine does that is suspended. */
    void suspend() {
        signal("STOP");
    }

    /** Lets it go on as if nothing had been. */
    void resume() {
        signal("CONT");
    }

    private void signal(String name) {
        try {
            new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().waitFor();
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    int awaitEnd() {
        try {
            if (!process.waitFor(150, TimeUnit.SECONDS)) {
                throw new IllegalStateException("The worker did not end. " + output());
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    boolean alive() {
        return process.isAlive();
    }

    String output() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends it in peace, so that its partitions are free for the next at once. */
    @Override
    public void close() {
        if (process.isAlive()) {
            terminate();
        }
    }
}
