package dev.darkroom.tools;

import io.quarkus.runtime.ApplicationLifecycleManager;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.smallrye.health.SmallRyeHealthReporter;
import jakarta.enterprise.inject.spi.CDI;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import picocli.CommandLine.ExitCode;

/**
 * The worker in this very process, for as long as something talks to it over Kafka. Its log goes to a file, so that the
 * terminal is the talker's.
 */
public final class EmbeddedWorker implements QuarkusApplication {

    // Quarkus makes the instance, so what it is to run cannot be handed to a constructor
    private static final AtomicReference<Callable<Integer>> TALKER = new AtomicReference<>();
    private static final AtomicReference<Throwable> FAILURE = new AtomicReference<>();
    private static final long READY_POLL_MS = 100;
    private static final String HEAP = "Java heap space";
    private static final Pattern ENDING = Pattern.compile("worker=ending reason=\"(.*)\"");

    /**
     * Runs the worker against the given servers until the talker is done.
     *
     * @param folder where the worker keeps its log and its state
     * @param settings further configuration of the worker, as {@code darkroom.progress.interval}
     * @param talker runs once the worker is ready; what it returns is returned
     * @throws CommandException if the worker does not start, or the talker fails
     */
    public static int run(StackProcess stack, Path folder, Map<String, String> settings, Callable<Integer> talker) {
        Path log = folder.resolve("worker.log");
        Map.of(
                "kafka.bootstrap.servers", stack.bootstrapServers(),
                "darkroom.store.endpoint", stack.storeEndpoint(),
                "darkroom.store.access-key", stack.accessKey(),
                "darkroom.store.secret-key", stack.secretKey(),
                "quarkus.http.host", "127.0.0.1",
                "quarkus.http.port", "0",
                "quarkus.otel.sdk.disabled", "true",
                "quarkus.banner.enabled", "false",
                "quarkus.log.console.enabled", "false",
                "quarkus.log.file.enabled", "true").forEach(System::setProperty);
        System.setProperty("quarkus.log.file.path", log.toString());
        System.setProperty("quarkus.log.file.rotation.rotate-on-boot", "false");
        System.setProperty("darkroom.state-dir", folder.resolve("state").toString());
        // Whoever interrupts a demonstration does not want to see it through
        System.setProperty("darkroom.flow.drain-timeout", "1s");
        settings.forEach(System::setProperty);
        TALKER.set(talker);
        FAILURE.set(null);
        AtomicInteger exitCode = new AtomicInteger(ExitCode.SOFTWARE);
        Quarkus.run(EmbeddedWorker.class, (code, cause) -> {
            exitCode.set(code);
            if (cause != null) {
                FAILURE.set(cause);
            }
        });
        if (FAILURE.get() instanceof CommandException told) {
            throw told;
        }
        Throwable failure = FAILURE.get();
        if (failure != null || exitCode.get() != ExitCode.OK && TALKER.get() != null) {
            String what = reason(log).map(reason -> "ended: " + reason + ".").orElseGet(() ->
                    failure == null ? "ended." : "failed: " + rootCause(failure).getMessage());
            throw new CommandException("The worker %s Its log: %s".formatted(what, log), failure);
        }
        return exitCode.get();
    }

    private static Throwable rootCause(Throwable failure) {
        return failure.getCause() == null ? failure : rootCause(failure.getCause());
    }

    /** What the worker wrote when it ended by itself. */
    private static Optional<String> reason(Path log) {
        try (Stream<String> lines = Files.lines(log)) {
            return lines.map(ENDING::matcher).filter(Matcher::find).findFirst().map(found -> found.group(1))
                    .map(reason -> reason.contains(HEAP) ? "there was too little memory for Java (" + reason + "); "
                            + "DARKROOM_JAVA_OPTS=-Xmx2g gives it more" : reason.replaceFirst("\\.$", ""));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Waits until the model is loaded and everything is connected. */
    private static void awaitReady() throws InterruptedException {
        SmallRyeHealthReporter health = CDI.current().select(SmallRyeHealthReporter.class).get();
        while (health.getReadiness().isDown()) {
            Thread.sleep(READY_POLL_MS);
        }
    }

    /** Lets the talker talk, unless the worker ends before it is done. */
    @Override
    public int run(String... args) {
        Thread thread = new Thread(() -> {
            int exitCode = ExitCode.SOFTWARE;
            try {
                awaitReady();
                exitCode = TALKER.get().call();
            } catch (Exception e) {
                FAILURE.set(e);
            }
            TALKER.set(null);
            Quarkus.asyncExit(exitCode);
        }, "talker");
        thread.setDaemon(true);
        thread.start();
        Quarkus.waitForExit();
        return ApplicationLifecycleManager.getExitCode();
    }
}
