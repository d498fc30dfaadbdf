package dev.darkroom.tools;

import dev.darkroom.page.Page;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code darkroom page}: a live page of what goes through the topics. */
@Command(
        name = "page",
        description = {
            "Shows in a browser what goes through the topics, until Ctrl-C: images as they come, requests in flight, lag, "
                + "rates, failures. It also sends and cancels requests. It answers on this machine alone.",
            "",
            "It is a client of broker and store. The store and the names of topics come from the worker's settings, as "
                + "DARKROOM_STORE_ENDPOINT, and further settings of the Kafka clients from KAFKA_SECURITY_PROTOCOL and the like."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom demo --page         with a broker, a store and a worker of its own",
            "  darkroom page                with `darkroom stack` and `darkroom worker` in other terminals",
            "  KAFKA_BOOTSTRAP_SERVERS=broker:9092 DARKROOM_STORE_ENDPOINT=https://s3.example.com darkroom page"
        })
public final class PageCommand implements Callable<Integer> {

    private static final long LOOK_MS = 500;

    @Spec
    private CommandSpec spec;

    @Option(names = "--port", paramLabel = "PORT", defaultValue = "" + LivePage.PORT,
            description = "The page's port; 0 for any that is free.")
    private int port;

    @Mixin
    private BrokersOption brokers;

    @Option(names = "--group", paramLabel = "GROUP",
            defaultValue = "${env:MP_MESSAGING_INCOMING_REQUESTS_GROUP_ID:-" + LivePage.GROUP + "}",
            description = "The workers' consumer group, whose lag is shown.")
    private String group;

    @Override
    public Integer call() throws InterruptedException {
        QuietLog.warningsToStandardError();
        LocalPort.requireFree(spec, "--port", port, "page");
        try (Page page = LivePage.open(port, brokers.bootstrapServers(), group, Map.of())) {
            System.out.printf("%s%nOf the topics at %s. Ctrl-C ends it.%n", page.address(), brokers.bootstrapServers());
            return tellProblems(page);
        }
    }

    /** Without end. Who has no browser open sees here, too, that the broker is away or has no such topics. */
    private static Integer tellProblems(Page page) throws InterruptedException {
        String told = "";
        while (true) {
            String problem = page.problem();
            if (!problem.equals(told)) {
                System.err.println(problem.isEmpty() ? "Now it reads the topics." : problem);
                told = problem;
            }
            Thread.sleep(LOOK_MS);
        }
    }
}
