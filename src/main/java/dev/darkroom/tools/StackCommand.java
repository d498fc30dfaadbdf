package dev.darkroom.tools;

import dev.darkroom.page.Page;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code darkroom stack}: the embedded broker and store on fixed ports, until Ctrl-C. */
@Command(
        name = "stack",
        description = "Runs a Kafka broker and an S3-compatible store, to play with from other terminals, until Ctrl-C.",
        footerHeading = "%nExample, each line in a terminal of its own:%n",
        footer = {
            "  darkroom stack --page",
            "  darkroom worker",
            "  echo '{\"requestId\":\"first\",\"prompt\":\"a red car\"}' | darkroom send --wait -"
        },
        abbreviateSynopsis = true,
        showDefaultValues = true)
public final class StackCommand implements Callable<Integer> {

    /** Where worker and clients look unless told otherwise. */
    private static final int KAFKA_PORT = 19092;
    private static final int STORE_PORT = 19000;

    @Spec
    private CommandSpec spec;

    @Option(names = "--kafka-port", paramLabel = "PORT", defaultValue = "" + KAFKA_PORT,
            description = "The broker's port; 0 for any that is free.")
    private int kafkaPort;

    @Option(names = "--store-port", paramLabel = "PORT", defaultValue = "" + STORE_PORT,
            description = "The store's port; 0 for any that is free.")
    private int storePort;

    @Mixin
    private PageOption page;

    @Option(names = "--json", description = "Prints addresses and keys as a line of JSON instead.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        LocalPort.requireFree(spec, "--kafka-port", kafkaPort, "stack");
        LocalPort.requireFree(spec, "--store-port", storePort, "stack");
        page.requireFree();
        ProgressLine progress = ProgressLine.onStandardError();
        Scratch scratch = Scratch.of("stack");
        Path log = scratch.folder().resolve("stack.log");
        long begin = System.nanoTime();
        progress.show("starting a broker and a store …");
        try (StackProcess stack = StackProcess.start(log, true,
                "--kafka-port", String.valueOf(kafkaPort), "--store-port", String.valueOf(storePort));
                Page shown = page.open(stack, Map.of()).orElse(null)) {
            progress.clear();
            if (json) {
                System.out.println(stack.addresses());
            } else {
                tell(stack, begin, log);
                if (shown != null) {
                    System.out.println("In a browser, what goes through the topics:\n  " + shown.address());
                }
            }
            stack.join();
        }
        scratch.keep();
        throw new CommandException("The broker and the store ended by themselves. Their log: " + scratch.folder());
    }

    private void tell(StackProcess stack, long begin, Path log) {
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
                """, workerSettings(stack), clientSettings(stack));
    }

    /** What a worker must be told where the ports are not those that it looks at by itself. */
    private String workerSettings(StackProcess stack) {
        return clientSettings(stack) + (storePort == STORE_PORT ? ""
                : "DARKROOM_STORE_ENDPOINT=%s DARKROOM_STORE_ACCESS_KEY=%s DARKROOM_STORE_SECRET_KEY=%s ".formatted(
                        stack.storeEndpoint(), stack.accessKey(), stack.secretKey()));
    }

    private String clientSettings(StackProcess stack) {
        return kafkaPort == KAFKA_PORT ? "" : "KAFKA_BOOTSTRAP_SERVERS=%s ".formatted(stack.bootstrapServers());
    }
}
