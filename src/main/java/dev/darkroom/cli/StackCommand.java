package dev.darkroom.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code darkroom stack}: the embedded broker and store on fixed ports, until Ctrl-C. */
@Command(
        name = "stack",
        description = "Runs a Kafka broker and an S3-compatible store on this machine, to play with from other terminals. "
                + "What they hold is gone when they end.",
        abbreviateSynopsis = true,
        showDefaultValues = true)
final class StackCommand implements Callable<Integer> {

    @Option(names = "--kafka-port", paramLabel = "PORT", defaultValue = "19092", description = "The broker's port.")
    private int kafkaPort;

    @Option(names = "--store-port", paramLabel = "PORT", defaultValue = "19000", description = "The store's port.")
    private int storePort;

    @Override
    public Integer call() throws InterruptedException {
        ProgressLine progress = ProgressLine.onStandardError();
        Path log = Home.scratch("stack").resolve("stack.log");
        long begin = System.nanoTime();
        progress.show("starting a broker and a store …");
        try (StackProcess stack = StackProcess.start(kafkaPort, storePort, log)) {
            progress.clear();
            System.out.printf("""
                    Kafka  %s
                    S3     %s   access key %s, secret key %s
                    Ready after %s; Ctrl-C ends both. Log: %s

                    In a second terminal, a worker:
                      KAFKA_BOOTSTRAP_SERVERS=%1$s DARKROOM_STORE_ENDPOINT=%2$s ./darkroom worker
                    In a third, a request:
                      echo '{"requestId":"first-1","prompt":"a red apple on a teal background, flat icon"}' \\
                        | KAFKA_BOOTSTRAP_SERVERS=%1$s ./darkroom send --wait -
                    """, stack.bootstrapServers(), stack.storeEndpoint(), stack.accessKey(), stack.secretKey(),
                    ProgressLine.since(begin), log);
            stack.join();
        }
        throw new CommandException("The broker and the store ended by themselves. Their log: " + log);
    }
}
