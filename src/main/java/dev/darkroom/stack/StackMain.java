package dev.darkroom.stack;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Kafka and S3 in a process of their own. Prints one line of JSON on standard output when both are ready, and ends when
 * its standard input does, so that it never outlives the process that started it.
 */
@Command(name = "stack", description = "Runs a Kafka broker and an S3 server until standard input ends.")
final class StackMain implements Callable<Integer> {

    @Option(names = "--kafka-port", defaultValue = "0", description = "Port of the broker; 0 for any free one.")
    private int kafkaPort;

    @Option(names = "--store-port", defaultValue = "0", description = "Port of the S3 server; 0 for any free one.")
    private int storePort;

    @Option(names = "--data", paramLabel = "DIR",
            description = "Where to keep records and objects; a temporary folder, removed at the end, unless given.")
    private Path data;

    @Option(names = "--broker", paramLabel = "NAME=VALUE", description = "A setting of the broker's, as in server.properties.")
    private Map<String, String> broker = new LinkedHashMap<>();

    private final PrintStream answers;

    private StackMain(PrintStream answers) {
        this.answers = answers;
    }

    public static void main(String[] arguments) {
        PrintStream answers = System.out;
        // whatever the servers print must not come between
        System.setOut(System.err);
        System.setProperty("java.util.logging.manager", "org.jboss.logmanager.LogManager");
        Logger.getLogger("").setLevel(Level.SEVERE);
        System.exit(new CommandLine(new StackMain(answers)).execute(arguments));
    }

    @Override
    public Integer call() throws Exception {
        long start = System.nanoTime();
        boolean temporary = data == null;
        Path directory = temporary ? Files.createTempDirectory("darkroom-stack") : data.toAbsolutePath();
        if (temporary) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(directory)));
        }
        int brokerPort = kafkaPort == 0 ? Ports.free() : kafkaPort;
        int s3Port = storePort == 0 ? Ports.free() : storePort;
        CompletableFuture<EmbeddedStore> startingStore = CompletableFuture.supplyAsync(() -> {
            try {
                return EmbeddedStore.start(s3Port, directory.resolve("store"));
            } catch (Exception e) {
                throw new IllegalStateException("the S3 server did not start on port " + s3Port, e);
            }
        });
        try (EmbeddedKafka kafka = EmbeddedKafka.start(brokerPort, directory.resolve("kafka"), broker);
                EmbeddedStore store = startingStore.join()) {
            answers.println(new ObjectMapper().writeValueAsString(Map.of(
                    "bootstrapServers", kafka.bootstrapServers(),
                    "storeEndpoint", store.endpoint().toString(),
                    "accessKey", EmbeddedStore.ACCESS_KEY,
                    "secretKey", EmbeddedStore.SECRET_KEY,
                    "startMs", Duration.ofNanos(System.nanoTime() - start).toMillis())));
            answers.flush();
            waitForEndOfInput();
            if (temporary) {
                // an orderly shutdown would write down what is removed a moment later
                delete(directory);
                Runtime.getRuntime().halt(0);
            }
        }
        return 0;
    }

    private static void waitForEndOfInput() throws IOException {
        while (System.in.read() >= 0) {
            // nothing is asked of this process but to end
        }
    }

    /** Removes a folder that servers may still be writing to. */
    private static void delete(Path directory) {
        for (int attempt = 0; attempt < 3 && Files.exists(directory); attempt++) {
            try (var paths = Files.walk(directory)) {
                paths.sorted(Comparator.reverseOrder()).forEach(path -> {
                    try {
                        Files.deleteIfExists(path);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
            } catch (IOException | UncheckedIOException e) {
                // a file came or went meanwhile: once more
            }
        }
    }
}
