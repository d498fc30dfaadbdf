package dev.darkroom.tools;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

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

    private static final int HIGHEST_PORT = 65_535;

    @Spec
    private CommandSpec spec;

    @Option(names = "--kafka-port", paramLabel = "PORT", defaultValue = "" + KAFKA_PORT,
            description = "The broker's port; 0 for any that is free.")
    private int kafkaPort;

    @Option(names = "--store-port", paramLabel = "PORT", defaultValue = "" + STORE_PORT,
            description = "The store's port; 0 for any that is free.")
    private int storePort;

    @Option(names = "--json", description = "Prints addresses and keys as a line of JSON instead.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException, IOException {
        requireFree("--kafka-port", kafkaPort);
        requireFree("--store-port", storePort);
        ProgressLine progress = ProgressLine.onStandardError();
        Scratch scratch = Scratch.of("stack");
        Path log = scratch.folder().resolve("stack.log");
        long begin = System.nanoTime();
        progress.show("starting a broker and a store …");
        try (StackProcess stack = StackProcess.start(log, true,
                "--kafka-port", String.valueOf(kafkaPort), "--store-port", String.valueOf(storePort))) {
            progress.clear();
            if (json) {
                System.out.println(stack.addresses());
            } else {
                tell(stack, begin, log);
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

    /** The servers' own word for a port that is taken does not say which. */
    private void requireFree(String option, int port) throws IOException {
        if (port < 0 || port > HIGHEST_PORT) {
            throw new ParameterException(spec.commandLine(),
                    "%s is %d; it must be 1 to %d, or 0 for any that is free".formatted(option, port, HIGHEST_PORT));
        }
        try (ServerSocket socket = new ServerSocket()) {
            // As the servers do: a port is free although connections of an earlier one are still closing
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        } catch (BindException e) {
            throw new CommandException("Port %d (%s) is taken, perhaps by another `darkroom stack`. Name another port, or 0 for "
                    .formatted(port, option) + "any that is free.", e);
        }
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
