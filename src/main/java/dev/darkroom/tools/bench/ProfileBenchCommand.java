package dev.darkroom.tools.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.diffusion.GenerationException;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.MemoryStatistics;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.DeviceOption;
import dev.darkroom.tools.ProfileOption;
import dev.darkroom.tools.QuietLog;
import dev.darkroom.tools.bench.GpuRow.Spread;
import dev.darkroom.torch.BundleException;
import dev.darkroom.torch.DeviceException;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.DiffusionPipeline;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import java.util.logging.Level;
import java.util.stream.LongStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/**
 * {@code darkroom bench gpu-profile}: one profile in this process, which {@code darkroom bench gpu} starts. Standard output
 * gets the model, as JSON on one line, once it is ready, and then a line for each batch size that is measured.
 */
@Command(name = "gpu-profile", hidden = true, description = "One profile of `darkroom bench gpu`, in a process of its own.")
final class ProfileBenchCommand implements Callable<Integer> {

    /** However large the batches are, so many are measured: a median needs some. */
    private static final int LEAST_BATCHES = 5;

    private final ObjectMapper json = new ObjectMapper();
    private long nextPrompt;
    /** Bytes that the device had in use before adapters were read; empty unless the first row of some is still to come. */
    private Optional<Long> withoutAdapters = Optional.empty();

    @Option(names = "--profile", required = true, converter = ProfileOption.class)
    private Profile profile;

    /** The process is ready for these; what the bundle does not offer is left out. */
    @Option(names = "--batch-sizes", required = true, split = ",")
    private List<Integer> batchSizes;

    /** Those of them that are measured; none where it only counts how soon the process is ready. */
    @Option(names = "--measured", split = ",")
    private List<Integer> measured = List.of();

    @Option(names = "--images", required = true)
    private int images;

    @Option(names = "--warm-up", required = true)
    private int warmUp;

    @Option(names = "--ceiling", required = true)
    private double ceiling;

    @Option(names = "--bundle", required = true)
    private Path bundle;

    @Option(names = "--device", required = true, converter = DeviceOption.class)
    private DeviceSelection device;

    @Override
    public Integer call() throws JsonProcessingException {
        QuietLog.toStandardError(Level.INFO);
        try (DiffusionPipeline pipeline = DiffusionPipeline.load(bundle, device)) {
            Runtime.getRuntime().addShutdownHook(new Thread(pipeline::close));
            GenerationParameters parameters = profile.parameters(pipeline.model());
            List<Integer> offered =
                    batchSizes.stream().filter(pipeline.model().batchSizes()::contains).toList();
            if (!parameters.adapters().isEmpty() && !measured.isEmpty()) {
                pipeline.prepare(withoutAdapters(parameters), offered);
                withoutAdapters = deviceUsed(run(pipeline, withoutAdapters(parameters), measured.get(0), warmUp));
            }
            pipeline.prepare(parameters, offered);
            System.out.println(json.writeValueAsString(Ready.of(pipeline, parameters, offered)));
            for (int batchSize : offered) {
                if (measured.contains(batchSize)) {
                    System.out.println(json.writeValueAsString(measure(pipeline, parameters, batchSize)));
                    withoutAdapters = Optional.empty();
                }
            }
        } catch (BundleException | DeviceException | GenerationException e) {
            throw new CommandException(e.getMessage(), e);
        }
        return ExitCode.OK;
    }

    /**
     * The model once it is ready.
     *
     * @param size of the images, as {@code 512x512}
     * @param batchSizes that it is ready for
     */
    record Ready(String bundle, String size, String device, String torch, List<Integer> batchSizes, String uncompiled) {
        static Ready of(DiffusionPipeline pipeline, GenerationParameters parameters, List<Integer> batchSizes) {
            var model = pipeline.model();
            return new Ready(model.bundle(), parameters.size().toString(), model.device().replaceFirst("^cuda:\\d+ ", ""),
                    model.engine().replaceFirst("^PyTorch ", ""), batchSizes, model.uncompiled().orElse(null));
        }
    }

    /** A batch and how long it took. */
    private record Timed(GenerationResult result, double seconds) {
    }

    private GpuRow measure(DiffusionPipeline pipeline, GenerationParameters parameters, int batchSize) {
        run(pipeline, parameters, batchSize, warmUp);
        List<Timed> runs = run(pipeline, parameters, batchSize, Math.max(LEAST_BATCHES, ceilDiv(images, batchSize)));
        double[] seconds = runs.stream().mapToDouble(timed -> timed.seconds() / batchSize).toArray();
        Spread perImage = Spread.of(seconds);
        Optional<MemoryStatistics> memory =
                runs.stream().flatMap(timed -> timed.result().memory().stream()).reduce(MemoryStatistics::then);
        boolean cut = parameters.guidanceCutoff() < 1;
        // A scale of 1 is no guidance at all
        boolean guided = parameters.guidanceScale() > 1;
        boolean adapted = !parameters.adapters().isEmpty();
        Switches switches = adapted ? switches(pipeline, parameters, batchSize) : new Switches(null, null);
        return new GpuRow(
                "darkroom",
                runs.stream().allMatch(timed -> timed.result().compiled()),
                profile.label(),
                batchSize,
                batchSize * runs.size(),
                perImage,
                runs.size() * batchSize / runs.stream().mapToDouble(Timed::seconds).sum(),
                memory.map(MemoryStatistics::peakAllocated).orElse(null),
                memory.map(MemoryStatistics::peakReserved).orElse(null),
                memory.map(MemoryStatistics::deviceUsed).orElse(null),
                memory.flatMap(last -> pipeline.deviceUsedAtOpen().map(before -> last.deviceUsed() - before)).orElse(null),
                parameters.steps(),
                median(runs, result -> result.textEncoding().toNanos() / 1e6),
                median(runs, result -> result.denoising().toNanos() / 1e6),
                median(runs, result -> result.decoding().toNanos() / 1e6),
                cut ? steps(extraRuns(pipeline, guided(parameters, parameters.guidanceScale()), batchSize))
                        : guided ? steps(runs) : null,
                cut ? steps(extraRuns(pipeline, guided(parameters, 1), batchSize)) : guided ? null : steps(runs),
                device.isCpu() || !parameters.size().equals(ArithmeticCeiling.SIZE) ? null
                        : new ArithmeticCeiling(ceiling).shareOfImage(parameters, perImage.median()),
                switches.adding(),
                switches.removing(),
                withoutAdapters.flatMap(before -> deviceUsed(runs).map(after -> after - before)).orElse(null),
                null);
    }

    /** Times of changing the weights, in milliseconds. */
    private record Switches(Spread adding, Spread removing) {
    }

    /** Batches with the adapters and without them by turns: each changes the weights first. */
    private Switches switches(DiffusionPipeline pipeline, GenerationParameters parameters, int batchSize) {
        List<Timed> without = new ArrayList<>();
        List<Timed> with = new ArrayList<>();
        for (int i = 0; i < LEAST_BATCHES; i++) {
            without.addAll(run(pipeline, withoutAdapters(parameters), batchSize, 1));
            with.addAll(run(pipeline, parameters, batchSize, 1));
        }
        return new Switches(switching(with), switching(without));
    }

    private static Spread switching(List<Timed> runs) {
        return Spread.of(runs.stream().mapToDouble(timed ->
                timed.result().adapterSwitch().orElseThrow().toNanos() / 1e6).toArray());
    }

    /** What any weights can draw with the same graphs. */
    private static GenerationParameters withoutAdapters(GenerationParameters of) {
        return new GenerationParameters(of.width(), of.height(), of.steps(), SchedulerName.DPMPP_2M, of.guidanceScale(),
                of.guidanceCutoff(), of.decoder(), of.compiled(), List.of());
    }

    private static Optional<Long> deviceUsed(List<Timed> runs) {
        return runs.get(runs.size() - 1).result().memory().map(MemoryStatistics::deviceUsed);
    }

    private List<Timed> extraRuns(DiffusionPipeline pipeline, GenerationParameters parameters, int batchSize) {
        run(pipeline, parameters, batchSize, Math.min(warmUp, 1));
        return run(pipeline, parameters, batchSize, LEAST_BATCHES);
    }

    private List<Timed> run(DiffusionPipeline pipeline, GenerationParameters parameters, int batchSize, int batches) {
        List<Timed> runs = new ArrayList<>();
        for (int i = 0; i < batches; i++) {
            List<ImagePrompt> prompts = LongStream.range(nextPrompt, nextPrompt + batchSize)
                    .mapToObj(number -> new ImagePrompt(Prompts.of(number), "", number)).toList();
            nextPrompt += batchSize;
            long start = System.nanoTime();
            GenerationResult result = pipeline.generate(parameters, prompts, StepListener.NONE);
            runs.add(new Timed(result, (System.nanoTime() - start) / 1e9));
        }
        return runs;
    }

    /** The parameters with guidance in every step, or with a scale of 1 in none. */
    private static GenerationParameters guided(GenerationParameters of, double scale) {
        return new GenerationParameters(of.width(), of.height(), of.steps(), of.scheduler(), scale, 1, of.decoder(),
                of.compiled(), of.adapters());
    }

    private static Spread steps(List<Timed> runs) {
        return Spread.of(runs.stream().mapToDouble(timed ->
                timed.result().denoising().toNanos() / 1e6 / timed.result().steps()).toArray());
    }

    private static double median(List<Timed> runs, ToDoubleFunction<GenerationResult> value) {
        return Spread.of(runs.stream().map(Timed::result).mapToDouble(value).toArray()).median();
    }

    private static int ceilDiv(int dividend, int divisor) {
        return (dividend + divisor - 1) / divisor;
    }
}
