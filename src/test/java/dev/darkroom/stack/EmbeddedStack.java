package dev.darkroom.stack;

import dev.darkroom.tools.StackProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

/** Kafka and S3 from Maven jars, in a child process: nothing of them mixes with the classes under test. */
public final class EmbeddedStack implements Stack {

    private final StackProcess process;

    private EmbeddedStack(String... options) {
        try {
            process = StackProcess.start(Files.createTempFile(Path.of("target"), "stack-", ".log"), false, options);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Starts both on given ports over a folder that outlives them, to see how things go on after an outage.
     *
     * @param data where records and objects are kept
     */
    public static EmbeddedStack start(int kafkaPort, int storePort, Path data) {
        return new EmbeddedStack("--kafka-port", Integer.toString(kafkaPort), "--store-port", Integer.toString(storePort),
                "--data", data.toString());
    }

    /**
     * Starts both on free ports, with nothing in them.
     *
     * @param options of the stack's own, as {@code --broker}, {@code NAME=VALUE}
     */
    public static EmbeddedStack start(String... options) {
        return new EmbeddedStack(options);
    }

    @Override
    public String bootstrapServers() {
        return process.bootstrapServers();
    }

    @Override
    public URI storeEndpoint() {
        return URI.create(process.storeEndpoint());
    }

    @Override
    public String accessKey() {
        return process.accessKey();
    }

    @Override
    public String secretKey() {
        return process.secretKey();
    }

    @Override
    public void close() {
        process.close();
    }
}
