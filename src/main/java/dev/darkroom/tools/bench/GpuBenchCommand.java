package dev.darkroom.tools.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.tools.ChildCommand;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.DeviceOption;
import dev.darkroom.tools.Folders;
import dev.darkroom.tools.ProfileOption;
import dev.darkroom.tools.ProgressLine;
import dev.darkroom.tools.Scratch;
import dev.darkroom.torch.BundleException;
import dev.darkroom.torch.CudaDriver;
import dev.darkroom.torch.DeviceException;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.ModelBundle;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code darkroom bench gpu}: every profile of the study on one GPU, each in a process of its own. */
@Command(
        name = "gpu",
        description = {
            "Measures the profiles on one GPU: time and memory an image, the denoising step, cold start, and the whole worker "
                + "against the pipeline alone; with --devices also several workers against one. Each profile runs in a process "
                + "of its own, every image has a prompt of its own.",
            "",
            "final comes first, and begins with a process that is ready for every batch size: with the driver's cache "
                + "(CUDA_CACHE_PATH) empty, that is what a first start takes. Its first batch size then has a process to itself, "
                + "whose memory is its own. A later start follows.",
            "",
            "The report is written after every measurement, so that a run that is cut off keeps what it has."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom bench gpu --bundle models/sd15",
            "  darkroom bench gpu --device cpu --images 2 --warm-up 1 --batch-sizes 1,4 --worker-requests 8 --devices cpu,cpu "
                    + "--out cpu.json"
        })
final class GpuBenchCommand implements Callable<Integer> {

    private static final Profile STUDIED = Profile.FINAL;
    /** Times as many requests: they take a fifth of the time. */
    private static final int FAST_REQUESTS = 5;

    private final ObjectMapper json = new ObjectMapper();
    private final ProgressLine progress = ProgressLine.onStandardError();
    private final List<String> failures = new ArrayList<>();

    @Spec
    private CommandSpec spec;

    @Option(names = "--profiles", paramLabel = "P", split = ",", converter = ProfileOption.class,
            completionCandidates = ProfileOption.class,
            description = "Which of ${COMPLETION-CANDIDATES}, separated by commas; those that the bundle can draw unless given.")
    private List<Profile> profiles;

    @Option(names = "--batch-sizes", paramLabel = "N", split = ",", defaultValue = "1,2,4,8,16",
            description = "Images in a batch, separated by commas; what the bundle does not offer is left out.")
    private List<Integer> batchSizes;

    @Option(names = "--batched-profiles", paramLabel = "P", split = ",", defaultValue = "final,fast,baseline",
            converter = ProfileOption.class,
            description = "Profiles that are measured at all of these batch sizes; the others at the first.")
    private List<Profile> batchedProfiles;

    @Option(names = "--images", paramLabel = "N", defaultValue = "20",
            description = "Images that are measured of each profile and batch size, at least; 5 batches in any case.")
    private int images;

    @Option(names = "--warm-up", paramLabel = "N", defaultValue = "3", description = "Batches before that.")
    private int warmUp;

    @Option(names = "--worker-requests", paramLabel = "N", defaultValue = "400",
            description = "Backlog for the whole worker, with an embedded broker and store, of final; of fast, if it is "
                    + "measured, five times as many. 0 leaves the worker out.")
    private int workerRequests;

    @Option(names = "--devices", paramLabel = "D", split = ",", converter = DeviceOption.class,
            description = "Devices of several workers, to measure them against one: each gets --worker-requests on average.")
    private List<DeviceSelection> devices = List.of();

    @Option(names = "--peer", paramLabel = "COMMAND",
            description = "A command that measures a peer in the same run and writes its rows to the FILE of an option "
                    + "--out FILE, which is added. Can be repeated.")
    private List<String> peers = List.of();

    @Option(names = "--ceiling", paramLabel = "TFLOPS", defaultValue = "790",
            description = "What the device reaches in float16 products, as was measured on an H100.")
    private double ceiling;

    @Option(names = "--bundle", paramLabel = "DIR", defaultValue = "${env:DARKROOM_BUNDLE:-models/mini}",
            showDefaultValue = picocli.CommandLine.Help.Visibility.NEVER,
            description = "The model bundle. DARKROOM_BUNDLE's, or models/mini, unless given.")
    private Path bundle;

    @Option(names = "--device", paramLabel = "D", defaultValue = "${env:DARKROOM_DEVICE_INDEX:-0}",
            showDefaultValue = picocli.CommandLine.Help.Visibility.NEVER, converter = DeviceOption.class,
            description = "The CUDA index of a GPU, or cpu. DARKROOM_DEVICE_INDEX's, or 0, unless given.")
    private DeviceSelection device;

    @Option(names = "--out", paramLabel = "FILE", defaultValue = "out/gpu.json", description = "The report.")
    private Path out;

    @Override
    public Integer call() throws IOException {
        Folders.create(out.toAbsolutePath().getParent());
        requireDevice();
        Scratch scratch = Scratch.of("bench-gpu");
        // They belong to the report
        scratch.keep();
        Path logs = scratch.folder();
        GpuReport report = new GpuReport(out, "./darkroom "
                + String.join(" ", spec.commandLine().getParseResult().originalArgs()), new ArithmeticCeiling(ceiling));
        if (profiles == null) {
            profiles = drawable();
        }
        // What matters most comes first
        if (profiles.contains(STUDIED)) {
            measureStudied(report, logs);
        }
        if (workerRequests > 0 && profiles.contains(STUDIED)) {
            measureWorker(report, STUDIED, workerRequests, logs);
            if (!devices.isEmpty()) {
                measureWorkers(report, logs.resolve("workers.log"));
            }
        }
        for (Profile profile : profiles) {
            if (!profile.equals(STUDIED)) {
                measure(report, profile, logs);
            }
        }
        if (workerRequests > 0 && profiles.contains(Profile.FAST)) {
            measureWorker(report, Profile.FAST, FAST_REQUESTS * workerRequests, logs);
        }
        for (String peer : peers) {
            runPeer(report, peer, logs);
        }
        progress.clear();
        System.out.print(report.toText());
        failures.forEach(failure -> System.err.println("darkroom bench gpu: " + failure));
        System.err.println((report.isEmpty() ? "No report, as nothing was measured." : "Report: " + out) + "  Logs: " + logs);
        return failures.isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Every profile would fail by itself, one after the other. */
    private void requireDevice() {
        try {
            if (!device.isCpu()) {
                CudaDriver.gpu(device.index());
            }
        } catch (DeviceException e) {
            throw new CommandException("Nothing was measured: " + e.getMessage(), e);
        }
    }

    private List<Profile> drawable() {
        try {
            boolean fewSteps = ModelBundle.manifest(bundle).drawsInFewSteps();
            return Profile.all().stream().filter(profile -> fewSteps || !profile.scheduler().needsFewStepWeights()).toList();
        } catch (BundleException e) {
            throw new CommandException(e.getMessage(), e);
        }
    }

    private void measureStudied(GpuReport report, Path logs) {
        List<Integer> sizes = sizes(STUDIED);
        List<Integer> first = sizes.subList(0, 1);
        List<Integer> others = sizes.subList(1, sizes.size());
        measure(report, STUDIED, sizes, others.isEmpty() ? first : others, logs);
        if (!others.isEmpty()) {
            measure(report, STUDIED, first, first, logs);
        }
        measure(report, STUDIED, sizes, List.of(), logs);
    }

    private void measure(GpuReport report, Profile profile, Path logs) {
        measure(report, profile, sizes(profile), sizes(profile), logs);
    }

    private List<Integer> sizes(Profile profile) {
        return batchedProfiles.contains(profile) ? batchSizes : batchSizes.subList(0, 1);
    }

    /**
     * Runs a profile in a process of its own.
     *
     * @param sizes of batches that the process is ready for
     * @param measured those of them that are measured
     */
    private void measure(GpuReport report, Profile profile, List<Integer> sizes, List<Integer> measured, Path logs) {
        progress.show("profile " + profile.label() + ": starting …");
        List<String> arguments = new ArrayList<>(List.of("bench", "gpu-profile", "--profile", profile.label(),
                "--batch-sizes", text(sizes), "--images", String.valueOf(images), "--warm-up", String.valueOf(warmUp),
                "--ceiling", String.valueOf(ceiling), "--bundle", bundle.toString(),
                "--device", DeviceOption.text(device)));
        if (!measured.isEmpty()) {
            arguments.addAll(List.of("--measured", text(measured)));
        }
        long start = System.nanoTime();
        double[] coldStart = new double[1];
        run("profile " + profile.label(), arguments, logs.resolve(profile.label() + ".log"), line -> {
            if (coldStart[0] == 0) {
                coldStart[0] = (System.nanoTime() - start) / 1e9;
                ProfileBenchCommand.Ready ready = json.readValue(line, ProfileBenchCommand.Ready.class);
                report.model(ready);
                if (profile.equals(STUDIED) && sizes.equals(sizes(STUDIED))) {
                    report.started(coldStart[0], ready.batchSizes());
                }
                progress.end("profile %-16s ready after %s, batches of %s".formatted(
                        profile.label(), ProgressLine.since(start), text(ready.batchSizes())));
            } else {
                GpuRow row = json.readValue(line, GpuRow.class).withColdStart(coldStart[0]);
                report.add(row, profile.equals(STUDIED));
                progress.end(String.format(Locale.ROOT, "profile %-16s batch %d: %.4f s/image, %.2f images/s%s",
                        profile.label(), row.batch(), row.secondsPerImage().median(), row.imagesPerSecond(),
                        row.compiled() ? ", compiled" : ""));
            }
        });
    }

    private static String text(List<Integer> sizes) {
        return sizes.stream().map(String::valueOf).collect(Collectors.joining(","));
    }

    private void measureWorker(GpuReport report, Profile profile, int requests, Path logs) {
        progress.show("the whole worker: %d requests of %s …".formatted(requests, profile.label()));
        bench("worker", profile, requests, List.of(), logs.resolve("worker-" + profile.label() + ".log"),
                measured -> report.worker(measured, requests));
    }

    private void measureWorkers(GpuReport report, Path log) {
        int requests = workerRequests * devices.size();
        progress.show("one worker, then %d: %d requests each time …".formatted(devices.size(), requests));
        String those = devices.stream().map(DeviceOption::text).collect(Collectors.joining(","));
        bench("workers", STUDIED, requests, List.of("--devices", those), log, report::workers);
    }

    /** Takes the report of {@code darkroom bench}. */
    @FunctionalInterface
    private interface ReportReader {
        void read(JsonNode measured) throws IOException;
    }

    private void bench(String what, Profile profile, int requests, List<String> options, Path log, ReportReader reader) {
        List<String> arguments = new ArrayList<>(List.of(
                "bench", "--requests", String.valueOf(requests), "--profile", profile.label(), "--json"));
        arguments.addAll(options);
        run(what, arguments, log, line -> {
            if (line.startsWith("{")) {
                reader.read(json.readTree(line));
            } else {
                progress.end(what + "  " + line);
            }
        });
    }

    private void runPeer(GpuReport report, String command, Path logs) throws IOException {
        Path rows = Files.createTempFile(logs, "peer", ".json");
        progress.show("peer: " + command);
        try {
            int exitCode = new ProcessBuilder("/bin/sh", "-c", command + " --out '" + rows + "'").inheritIO().start().waitFor();
            if (exitCode != 0) {
                failures.add("the peer ended with exit code " + exitCode + ": " + command);
            }
            if (Files.size(rows) > 0) {
                report.merge(rows);
            }
        } catch (CommandException e) {
            failures.add(e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException("Interrupted.", e);
        }
    }

    /** Takes a line of a child's standard output. */
    @FunctionalInterface
    private interface LineReader {
        void read(String line) throws IOException;
    }

    /** A measurement that fails is told at the end; the others go on. */
    private void run(String what, List<String> arguments, Path log, LineReader reader) {
        // The worker takes its configuration from the environment
        Map<String, String> environment = Map.of("DARKROOM_BUNDLE", bundle.toString(),
                "DARKROOM_DEVICE_INDEX", String.valueOf(device.index()));
        int exitCode = ChildCommand.run(arguments, environment, log, line -> {
            try {
                reader.read(line);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        if (exitCode != ExitCode.OK) {
            failures.add("%s ended with exit code %d, its log: %s".formatted(what, exitCode, log));
        }
    }
}
