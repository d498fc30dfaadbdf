package dev.darkroom.cli;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import picocli.CommandLine.ExitCode;

/**
 * The worker in this very process, for as long as something talks to it over Kafka. Its log goes to a file, so that the
 * terminal is the talker's.
 */
public final class EmbeddedWorker implements QuarkusApplication {

    // Quarkus makes the instance, so what it is to run cannot be handed to a constructor
    private static final AtomicReference<Callable<Integer>> TALKER = new AtomicReference<>();

    /**
     * Runs the worker against the given servers until the talker is done.
     *
     * @param settings further configuration of the worker, as {@code darkroom.progress.interval}
     * @param log where the worker's log goes
     * @param talker runs once the worker is up; what it returns is returned
     * @throws CommandException if the worker does not start, or the talker fails
     */
    public static int run(StackProcess stack, Map<String, String> settings, Path log, Callable<Integer> talker) {
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
        settings.forEach(System::setProperty);
        TALKER.set(talker);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        int[] exitCode = {ExitCode.SOFTWARE};
        Quarkus.run(EmbeddedWorker.class, (code, cause) -> {
            exitCode[0] = code;
            failure.set(cause);
        });
        if (failure.get() instanceof CommandException told) {
            throw told;
        }
        if (failure.get() != null) {
            throw new CommandException("The worker failed: %s%nIts log: %s".formatted(
                    rootCause(failure.get()).getMessage(), log), failure.get());
        }
        return exitCode[0];
    }

    private static Throwable rootCause(Throwable failure) {
        return failure.getCause() == null ? failure : rootCause(failure.getCause());
    }

    @Override
    public int run(String... args) throws Exception {
        return TALKER.get().call();
    }
}
