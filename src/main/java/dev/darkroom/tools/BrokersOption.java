package dev.darkroom.tools;

import picocli.CommandLine.Option;

/** Where Kafka is, the same for every command that speaks to it. */
final class BrokersOption {

    @Option(names = "--bootstrap-servers", paramLabel = "HOST:PORT",
            defaultValue = "${env:KAFKA_BOOTSTRAP_SERVERS:-localhost:19092}", description = "The brokers.")
    private String bootstrapServers;

    String bootstrapServers() {
        return bootstrapServers;
    }
}
