package dev.darkroom.tools;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code darkroom stack}: the embedded broker and store on fixed ports, until Ctrl-C. */
@Command(
        name = "stack",
        description = "Runs a Kafka broker and an S3-compatible store, to play with from other terminals, until Ctrl-C.",
        footerHeading = "%nExample, each line in a terminal of its own:%n",
        footer = {
            "  darkroom stack",
            "  darkroom worker",
            "  echo '{\"requestId\":\"first\",\"prompt\":\"a red car\"}' | darkroom send --wait -"
        },
        abbreviateSynopsis = true,
        showDefaultValues = true)
public final class StackCommand implements Callable<Integer> {

    /** Where worker and clients look unless told otherwise. */
    private static final int KAFKA_PORT = 19092;
    private static final int STORE_PORT = 19000;

    @Option(names = "--kafka-port", paramLabel = "PORT", defaultValue = "" + KAFKA_PORT, description = "The broker's port.")
    private int kafkaPort;

    @Option(names = "--store-port", paramLabel = "PORT", defaultValue = "" + STORE_PORT, description = "The store's port.")
    private int storePort;

    @Override
    public Integer call() throws InterruptedException {
        ProgressLine progress = ProgressLine.onStandardError();
        Path log = Home.scratch("stack").resolve("stack.log");
        long begin = System.nanoTime();
        progress.show("starting a broker and a store …");
        try (StackProcess stack = StackProcess.start(log,
                "--kafka-port", String.valueOf(kafkaPort), "--store-port", String.valueOf(storePort))) {
            progress.clear();
            System.out.printf("""
                    Kafka  %s
                    S3     %s   access key %s, secret key %s
                    Up after %s. Ctrl-C ends both, and what they hold is gone. Log: %s

                    """, stack.bootstrapServers(), stack.storeEndpoint(), stack.accessKey(), stack.secretKey(),
                    ProgressLine.since(begin), log);
            System.out.printf("""
                    In a second terminal, a worker:
                      %s./darkroom worker
                    In a third, a request:
                      echo '{"requestId":"first","prompt":"a rocket on a purple background"}' | %s./darkroom send --wait -
                    """, workerSettings(), clientSettings());
            stack.join();
        }
        throw new CommandException("The broker and the store ended by themselves. Their log: " + log);
    }

    /** What a worker must be told where the ports are not those that it looks at by itself. */
    private String workerSettings() {
        return clientSettings()
                + (storePort == STORE_PORT ? "" : "DARKROOM_STORE_ENDPOINT=http://localhost:%d ".formatted(storePort));
    }

    private String clientSettings() {
        return kafkaPort == KAFKA_PORT ? "" : "KAFKA_BOOTSTRAP_SERVERS=localhost:%d ".formatted(kafkaPort);
    }
}
