package dev.darkroom.tools;

import dev.darkroom.contract.Cancellation;
import dev.darkroom.contract.Events;
import dev.darkroom.worker.KafkaBinding;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code darkroom cancel}: tells every worker that requests are not wanted any more. */
@Command(
        name = "cancel",
        description = {
            "Cancels requests. One that has no images yet ends in a failed event with the reason CANCELLED, also one that "
                + "comes later, for as long as the topic keeps the cancellation. One that has its outcome keeps it.",
            "",
            "Further settings of the Kafka client come from the environment, as KAFKA_SECURITY_PROTOCOL."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExample:%n",
        footer = "  darkroom cancel order-4711 order-4712")
public final class CancelCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "ID", arity = "1..*", description = "Ids of the requests.")
    private List<String> ids;

    @Mixin
    private BrokersOption brokers;

    @Option(names = "--topic", defaultValue = "${env:DARKROOM_TOPICS_CANCELLATIONS:-darkroom.cancellations}",
            description = "Where cancellations go.")
    private String topic;

    @Override
    public Integer call() {
        QuietLog.warningsToStandardError();
        Events events = new Events("/darkroom/cli");
        List<Cancellation> cancellations = cancellations();
        try (EventClient client = new EventClient(brokers.bootstrapServers())) {
            for (Cancellation each : cancellations) {
                client.send(KafkaBinding.toRecord(topic, each.requestId(), events.of(each, Instant.now())));
            }
            client.flush();
        }
        System.err.printf("%d %s sent to %s at %s%n", ids.size(), ids.size() == 1 ? "cancellation" : "cancellations", topic,
                brokers.bootstrapServers());
        return ExitCode.OK;
    }

    private List<Cancellation> cancellations() {
        List<Cancellation> cancellations = new ArrayList<>();
        for (String id : ids) {
            try {
                cancellations.add(new Cancellation(id));
            } catch (IllegalArgumentException e) {
                throw new ParameterException(spec.commandLine(), "'%s' is no request id: %s".formatted(id, e.getMessage()), e);
            }
        }
        return cancellations;
    }
}
