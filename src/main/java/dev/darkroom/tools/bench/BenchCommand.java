package dev.darkroom.tools.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ImageFormat;
import dev.darkroom.contract.Overrides;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.EmbeddedWorker;
import dev.darkroom.tools.EventClient;
import dev.darkroom.tools.Folders;
import dev.darkroom.tools.Home;
import dev.darkroom.tools.ProfileOption;
import dev.darkroom.tools.ProgressLine;
import dev.darkroom.tools.StackProcess;
import io.cloudevents.CloudEvent;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Metrics;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code darkroom bench}: how fast a backlog of requests goes through the embedded stack, and where the time goes. */
@Command(
        name = "bench",
        description = {
            "Sends a backlog of requests through an embedded Kafka broker, the worker and an embedded S3 store, and tells the "
                + "throughput, the percentiles of every stage, and how much of the time the generator was busy.",
            "",
            "One request goes first to warm up and is not counted. The clock runs from the first batch until the last outcome. "
                + "The worker takes its configuration from the environment, as DARKROOM_BUNDLE or DARKROOM_DEVICE_INDEX."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        subcommands = {GpuBenchCommand.class, ProfileBenchCommand.class},
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom bench --requests 200 --profile final --json",
            "  darkroom bench gpu --bundle models/sd15      every profile on a GPU: time, memory, cold start"
        })
public final class BenchCommand implements Callable<Integer> {

    private static final String REQUESTS = "darkroom.requests";
    private static final String COMPLETIONS = "darkroom.completions";
    private static final Duration POLL = Duration.ofMillis(200);
    private static final Duration SILENCE = Duration.ofMinutes(10);

    private final ProgressLine progress = ProgressLine.onStandardError();
    private final Events events = new Events("/darkroom/bench");

    @Spec
    private CommandSpec spec;

    @Option(names = "--requests", paramLabel = "N", defaultValue = "200", description = "How many, an image each.")
    private int requests;

    @Option(names = "--profile", paramLabel = "P", defaultValue = "final", converter = ProfileOption.class,
            completionCandidates = ProfileOption.class, description = "One of ${COMPLETION-CANDIDATES}.")
    private Profile profile;

    @Option(names = "--json", description = "Prints the report also as one JSON object, the last line of standard output.")
    private boolean json;

    @Override
    public Integer call() {
        if (requests < 1) {
            throw new ParameterException(spec.commandLine(), "--requests is %d; it must be at least 1".formatted(requests));
        }
        Path folder = Home.scratch("bench-" + ProcessHandle.current().pid());
        int exitCode;
        progress.show("starting a Kafka broker, an S3 store and the worker …");
        try (StackProcess stack = StackProcess.start(folder.resolve("stack.log"))) {
            exitCode = EmbeddedWorker.run(stack, folder, Map.of(), () -> measure(stack));
        }
        if (exitCode == ExitCode.OK) {
            Folders.delete(folder);
        } else {
            System.err.println("Logs: " + folder);
        }
        return exitCode;
    }

    private int measure(StackProcess stack) throws JsonProcessingException {
        Measurement measurement = new Measurement();
        try (EventClient client = new EventClient(stack.bootstrapServers())) {
            client.follow(List.of(COMPLETIONS));
            progress.show("warming up …");
            run(client, List.of("bench-warm-up"), new Measurement());
            double before = busySeconds();
            run(client, IntStream.range(0, requests).mapToObj("bench-%05d"::formatted).toList(), measurement);
            measurement.busy(busySeconds() - before);
        }
        Report report = measurement.report(profile.label());
        progress.clear();
        System.out.print(report.toText());
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(report));
        }
        return report.failed() == 0 ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private void run(EventClient client, List<String> ids, Measurement measurement) {
        Set<String> open = new HashSet<>(ids);
        ids.forEach(id -> client.send(Events.toRecord(REQUESTS, id, events.of(request(id), Instant.now()))));
        client.flush();
        progress.show("outcomes", 0, ids.size());
        long heard = System.nanoTime();
        while (!open.isEmpty()) {
            int before = open.size();
            client.poll(POLL, (CloudEvent event) -> {
                if (open.remove(event.getSubject())) {
                    measurement.add(event);
                }
            });
            if (open.size() < before) {
                heard = System.nanoTime();
                progress.show("outcomes", ids.size() - open.size(), ids.size());
            } else if (System.nanoTime() - heard > SILENCE.toNanos()) {
                throw new CommandException("No outcome for %d minutes; %d of %d are missing.".formatted(
                        SILENCE.toMinutes(), open.size(), ids.size()));
            }
        }
    }

    private GenerationRequest request(String id) {
        return new GenerationRequest(id, Prompts.of(id.hashCode()), "", profile.label(), Overrides.NONE, OptionalLong.empty(), 1,
                ImageFormat.PNG, Optional.empty(), Map.of());
    }

    /** The worker's own count of the time in which its generator had a batch. */
    private static double busySeconds() {
        Counter busy = Metrics.globalRegistry.find("darkroom.generator.busy").counter();
        return busy == null ? Double.NaN : busy.count();
    }
}
