package dev.darkroom.tools.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.tools.DeviceOption;
import dev.darkroom.tools.EmbeddedWorker;
import dev.darkroom.tools.EventClient;
import dev.darkroom.tools.ProfileOption;
import dev.darkroom.tools.ProgressLine;
import dev.darkroom.tools.QuietLog;
import dev.darkroom.tools.Scratch;
import dev.darkroom.tools.StackProcess;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.worker.generate.GeneratorSource;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Metrics;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
                + "The worker takes its configuration from the environment, as DARKROOM_BUNDLE or DARKROOM_DEVICE_INDEX.",
            "",
            "With --devices there is a worker for each device, in a process of its own. The first takes one backlog alone, then "
                + "all share another. The topic has four partitions a worker, and requests go to them in turn rather than by "
                + "their keys: a worker whose partitions hold fewer would have nothing to do at the end."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        subcommands = {GpuBenchCommand.class, ProfileBenchCommand.class},
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom bench --requests 200 --profile final --json",
            "  darkroom bench --requests 2000 --generator instant  what all but the generator carries",
            "  darkroom bench --requests 800 --devices 0,1  two workers against one, each on a GPU",
            "  darkroom bench gpu --bundle models/sd15      every profile on a GPU: time, memory, cold start"
        })
public final class BenchCommand implements Callable<Integer> {

    private static final String BUNDLE = "bundle";

    private final ProgressLine progress = ProgressLine.onStandardError();

    @Spec
    private CommandSpec spec;

    @Option(names = "--requests", paramLabel = "N", defaultValue = "200", description = "How many, an image each.")
    private int requests;

    @Option(names = "--profile", paramLabel = "P", defaultValue = "final", converter = ProfileOption.class,
            completionCandidates = ProfileOption.class, description = "One of ${COMPLETION-CANDIDATES}.")
    private Profile profile;

    @Option(names = "--devices", paramLabel = "D", split = ",", converter = DeviceOption.class,
            description = "Devices of several workers, separated by commas: CUDA indices of GPUs, or cpu.")
    private List<DeviceSelection> devices = List.of();

    @Option(names = "--generator", paramLabel = "G", defaultValue = BUNDLE,
            description = "bundle generates the images. instant hands out prepared pixels, 512×512, so that the throughput is "
                    + "that of everything else: admission, encoding, upload, publishing.")
    private String generator;

    @Option(names = "--json", description = "Prints the report also as one JSON object, the last line of standard output.")
    private boolean json;

    @Override
    public Integer call() throws JsonProcessingException {
        if (requests < 1) {
            throw new ParameterException(spec.commandLine(), "--requests is %d; it must be at least 1".formatted(requests));
        }
        if (!List.of(BUNDLE, InstantGeneratorSource.NAME).contains(generator)) {
            throw new ParameterException(spec.commandLine(),
                    "--generator is %s; it must be bundle or instant".formatted(generator));
        }
        if (!generator.equals(BUNDLE) && !devices.isEmpty()) {
            throw new ParameterException(spec.commandLine(), "--generator instant uses no device, so there are no --devices");
        }
        if (devices.size() == 1) {
            throw new ParameterException(spec.commandLine(), "--devices names one device; it must name those of "
                    + "two workers or more. The device of a single worker is DARKROOM_DEVICE_INDEX");
        }
        int partitions = WorkersBench.PARTITIONS * devices.size();
        if (requests < partitions) {
            throw new ParameterException(spec.commandLine(),
                    "--requests is %d; for %d workers it must be at least %d, one for each partition".formatted(
                            requests, devices.size(), partitions));
        }
        Scratch scratch = Scratch.of("bench");
        Path folder = scratch.folder();
        int exitCode = ExitCode.SOFTWARE;
        progress.show("starting a Kafka broker, an S3 store and the worker …");
        try (StackProcess stack = StackProcess.start(folder.resolve("stack.log"), true)) {
            stack.endsThisProcess(scratch);
            exitCode = devices.isEmpty()
                    ? EmbeddedWorker.run(stack, folder, settings(), () -> measure(stack))
                    : measureWorkers(stack, folder);
        } finally {
            scratch.end(exitCode == ExitCode.OK);
        }
        return exitCode;
    }

    private Map<String, String> settings() {
        return generator.equals(BUNDLE) ? Map.of() : Map.of(GeneratorSource.OTHER, generator);
    }

    private int measure(StackProcess stack) throws JsonProcessingException {
        Measurement measurement = new Measurement();
        try (EventClient client = new EventClient(stack.bootstrapServers())) {
            BacklogRun backlog = new BacklogRun(client, profile, 1, progress);
            progress.show("warming up …");
            backlog.run(List.of("bench-warm-up"), () -> {
            }, event -> {
            });
            double before = busySeconds();
            double processor = processorSeconds();
            backlog.run(IntStream.range(0, requests).mapToObj("bench-%05d"::formatted).toList(), () -> {
            }, measurement::add);
            measurement.busy(busySeconds() - before);
            measurement.processor(processorSeconds() - processor);
        }
        Report report = measurement.report(profile.label());
        return tell(report.toText(), report, report.failed());
    }

    private static double processorSeconds() {
        return ProcessHandle.current().info().totalCpuDuration().map(time -> time.toNanos() / 1e9).orElse(Double.NaN);
    }

    private int measureWorkers(StackProcess stack, Path folder) throws JsonProcessingException {
        QuietLog.warningsToStandardError();
        WorkersReport report = new WorkersBench(stack, folder, devices, progress).run(profile, requests);
        return tell(report.toText(), report, report.failed());
    }

    private int tell(String text, Object report, int failed) throws JsonProcessingException {
        progress.clear();
        System.out.print(text);
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(report));
        }
        return failed == 0 ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** The worker's own count of the time in which its generator had a batch. */
    private static double busySeconds() {
        Counter busy = Metrics.globalRegistry.find("darkroom.generator.busy").counter();
        return busy == null ? Double.NaN : busy.count();
    }
}
