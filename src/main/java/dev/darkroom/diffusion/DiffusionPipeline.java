package dev.darkroom.diffusion;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import dev.darkroom.engine.BundleException;
import dev.darkroom.engine.BundleManifest;
import dev.darkroom.engine.ComputeDevice;
import dev.darkroom.engine.DeviceException;
import dev.darkroom.engine.DeviceSelection;
import dev.darkroom.engine.ImageSize;
import dev.darkroom.engine.ModelBundle;
import dev.darkroom.engine.TorchModule;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/**
 * Stable Diffusion 1.x from a model bundle: text encoder, denoising loop, decoder. The same seed gives the same image
 * as diffusers' {@code StableDiffusionPipeline}, whatever the batch.
 */
public final class DiffusionPipeline implements ImageGenerator {

    private static final Logger LOG = Logger.getLogger(DiffusionPipeline.class);
    private static final int MOST_STEPS = 150;

    private final ModelDescription model;
    private final BundleManifest manifest;
    private final NoiseSchedule schedule;
    private final ComputeDevice device;
    private final TextEncoder textEncoder;
    private final TorchModule unet;
    private final Map<DecoderName, TorchModule> decoders = new EnumMap<>(DecoderName.class);
    private final ReentrantLock generating = new ReentrantLock();
    private volatile boolean closed;
    private boolean freed;

    private DiffusionPipeline(ModelBundle bundle, NoiseSchedule schedule, ComputeDevice device) {
        this.manifest = bundle.manifest();
        this.schedule = schedule;
        this.device = device;
        model = new ModelDescription(manifest.name(), bundle.digest(), device.description(), device.engineName(),
                manifest.sizes(), manifest.batchSizes(), false);
        textEncoder = new TextEncoder(bundle, device);
        unet = device.load(bundle.file(ModelBundle.UNET));
        decoders.put(DecoderName.FULL, device.load(bundle.file(ModelBundle.VAE_DECODER)));
        decoders.put(DecoderName.TINY, device.load(bundle.file(ModelBundle.TINY_DECODER)));
    }

    /**
     * Loads a bundle onto a device. The thread that calls this need not be the one that generates.
     *
     * @param folder the bundle's folder
     * @throws BundleException if the bundle is damaged, or made for something else than this worker
     * @throws DeviceException if the device is not there or not the required one
     */
    public static DiffusionPipeline load(Path folder, DeviceSelection selection) {
        long start = System.nanoTime();
        ModelBundle bundle = ModelBundle.read(folder);
        NoiseSchedule schedule = new NoiseSchedule(bundle.manifest().scheduler());
        ComputeDevice device = ComputeDevice.open(selection);
        bundle.requireTorch(device.engineVersion());
        DiffusionPipeline pipeline = new DiffusionPipeline(bundle, schedule, device);
        LOG.infof("pipeline loaded bundle=%s digest=%s device=\"%s\" engine=\"%s\" compiled=%s ms=%d",
                pipeline.model.bundle(), pipeline.model.digest(), pipeline.model.device(), pipeline.model.engine(),
                pipeline.model.compiled(), (System.nanoTime() - start) / 1_000_000);
        return pipeline;
    }

    @Override
    public ModelDescription model() {
        return model;
    }

    @Override
    public void check(GenerationParameters parameters) {
        ImageSize size = new ImageSize(parameters.width(), parameters.height());
        if (!model.sizes().contains(size)) {
            boolean widthOffered = model.sizes().stream().anyMatch(offered -> offered.width() == size.width());
            throw new UnsupportedParametersException(widthOffered ? "height" : "width", "The size " + size
                    + " is not on offer; the model " + model.bundle() + " makes "
                    + model.sizes().stream().map(ImageSize::toString).collect(Collectors.joining(", ")) + ".");
        }
        if (parameters.steps() < 1 || parameters.steps() > MOST_STEPS) {
            throw new UnsupportedParametersException("steps",
                    "steps is " + parameters.steps() + "; it must be from 1 to " + MOST_STEPS + ".");
        }
        if (!Double.isFinite(parameters.guidanceScale()) || parameters.guidanceScale() < 0) {
            throw new UnsupportedParametersException("guidance.scale",
                    "guidance.scale is " + parameters.guidanceScale() + "; it must be a number from 0.");
        }
        if (!(parameters.guidanceCutoff() >= 0 && parameters.guidanceCutoff() <= 1)) {
            throw new UnsupportedParametersException("guidance.cutoff",
                    "guidance.cutoff is " + parameters.guidanceCutoff() + "; it must be from 0 to 1.");
        }
    }

    @Override
    public GenerationResult generate(
            GenerationParameters parameters, List<ImagePrompt> prompts, StepListener listener) {
        check(parameters);
        if (prompts.isEmpty()) {
            throw new IllegalArgumentException("There are no prompts.");
        }
        Progress progress = new Progress(listener, parameters.steps(), prompts.size());
        generating.lock();
        try {
            List<GenerationResult> batches = FittingBatches.run(
                    prompts, model.largestBatch(), batch -> generateBatch(parameters, batch, progress));
            return batches.size() == 1 ? batches.get(0) : join(batches);
        } finally {
            generating.unlock();
        }
    }

    private GenerationResult generateBatch(
            GenerationParameters parameters, List<ImagePrompt> prompts, Progress progress) {
        Scheduler scheduler = scheduler(parameters);
        Guidance guidance = Guidance.of(parameters.guidanceScale(), parameters.guidanceCutoff(), parameters.steps());
        requireOpen();
        try (NDManager manager = device.newManager()) {
            long start = System.nanoTime();
            Conditioning conditioning = encode(manager, prompts, guidance);
            device.await(conditioning.conditional());
            long encoded = System.nanoTime();
            NDArray latents = denoise(manager, parameters, prompts, scheduler, guidance, conditioning, progress);
            device.await(latents);
            long denoised = System.nanoTime();
            List<GeneratedImage> images = decode(parameters, prompts, conditioning, latents);
            long decoded = System.nanoTime();
            progress.batchDone(prompts.size());
            return new GenerationResult(images, Duration.ofNanos(encoded - start),
                    Duration.ofNanos(denoised - encoded), Duration.ofNanos(decoded - denoised), parameters.steps(),
                    prompts.size(), parameters.compiled() && model.compiled(), device.memory());
        } catch (CancellationException e) {
            throw e;
        } catch (RuntimeException e) {
            throw DeviceErrors.classify(e);
        }
    }

    private Scheduler scheduler(GenerationParameters parameters) {
        return switch (parameters.scheduler()) {
            case EULER_ANCESTRAL -> new EulerAncestralDiscrete(schedule, parameters.steps());
            case DPMPP_2M -> new DpmSolverMultistep(schedule, parameters.steps());
        };
    }

    /**
     * What the UNet is conditioned on.
     *
     * @param conditional embeddings of the prompts, {@code [B, 77, C]}
     * @param guided embeddings of the negative prompts and then of the prompts, {@code [2B, 77, C]}; the conditional
     *     ones alone where no step is guided
     * @param truncated for each image, whether one of its texts was cut
     */
    private record Conditioning(NDArray conditional, NDArray guided, List<Boolean> truncated) {
    }

    private Conditioning encode(NDManager manager, List<ImagePrompt> prompts, Guidance guidance) {
        int count = prompts.size();
        Stream<String> texts = prompts.stream().map(ImagePrompt::prompt);
        if (guidance.guidedSteps() == 0) {
            TextEncoder.Embeddings embeddings = textEncoder.encode(manager, texts.toList());
            return new Conditioning(embeddings.hiddenStates(), embeddings.hiddenStates(), embeddings.truncated());
        }
        Stream<String> negatives = prompts.stream().map(ImagePrompt::negativePrompt);
        TextEncoder.Embeddings embeddings =
                textEncoder.encode(manager, Stream.concat(negatives, texts).toList());
        List<Boolean> truncated = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            truncated.add(embeddings.truncated().get(i) || embeddings.truncated().get(count + i));
        }
        NDArray guided = embeddings.hiddenStates();
        return new Conditioning(guided.get(new NDIndex(count + ":")), guided, truncated);
    }

    /** The denoising loop. Nothing but the step module computes in it. */
    private NDArray denoise(NDManager manager, GenerationParameters parameters, List<ImagePrompt> prompts,
            Scheduler scheduler, Guidance guidance, Conditioning conditioning, Progress progress) {
        int steps = scheduler.steps();
        NDArray noise = drawNoise(manager, parameters, prompts, scheduler.isAncestral() ? steps : 0);
        NDArray coefficients = coefficients(manager, scheduler, guidance);
        NDArray sample = noise.get(0).mul(scheduler.initNoiseSigma());
        NDArray previous = sample.zerosLike();
        for (int step = 0; step < steps; step++) {
            NDArray embeddings = guidance.guides(step) ? conditioning.guided() : conditioning.conditional();
            // Without ancestral noise its coefficient is 0, and any tensor of its shape will do.
            NDArray fresh = noise.get(scheduler.isAncestral() ? step + 1 : 0);
            NDArray numbers = coefficients.get(step);
            NDList result = unet.forward(sample, previous, fresh, embeddings, numbers);
            new NDList(sample, previous, fresh, numbers).close();
            sample = result.get(0);
            previous = result.get(1);
            progress.stepDone(step + 1, prompts.size());
            requireOpen();
        }
        return sample;
    }

    /** All noise of a batch, {@code [1 + ancestral, B, 4, h, w]}: the initial noise, then that of each step. */
    private NDArray drawNoise(
            NDManager manager, GenerationParameters parameters, List<ImagePrompt> prompts, int ancestral) {
        Shape shape = new Shape(manifest.latentChannels(), parameters.height() / manifest.latentScale(),
                parameters.width() / manifest.latentScale());
        NDList noise = new NDList();
        for (ImagePrompt prompt : prompts) {
            noise.add(device.drawNoise(manager, prompt.seed(), 1 + ancestral, shape));
        }
        return NDArrays.stack(noise, 1);
    }

    private NDArray coefficients(NDManager manager, Scheduler scheduler, Guidance guidance) {
        float[][] coefficients = new float[scheduler.steps()][];
        for (int step = 0; step < coefficients.length; step++) {
            coefficients[step] = scheduler.coefficients(step).withGuidance(guidance.scale());
        }
        return manager.create(coefficients);
    }

    private List<GeneratedImage> decode(GenerationParameters parameters, List<ImagePrompt> prompts,
            Conditioning conditioning, NDArray latents) {
        NDArray pixels = decoders.get(parameters.decoder()).forward(latents).singletonOrThrow();
        ByteBuffer host = pixels.toByteBuffer();
        List<GeneratedImage> images = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            byte[] rgb = new byte[3 * parameters.width() * parameters.height()];
            host.get(rgb);
            images.add(new GeneratedImage(parameters.width(), parameters.height(), rgb, prompts.get(i).seed(),
                    conditioning.truncated().get(i)));
        }
        return images;
    }

    private static GenerationResult join(List<GenerationResult> batches) {
        GenerationResult last = batches.get(batches.size() - 1);
        return new GenerationResult(
                batches.stream().flatMap(batch -> batch.images().stream()).toList(),
                sum(batches, GenerationResult::textEncoding),
                sum(batches, GenerationResult::denoising),
                sum(batches, GenerationResult::decoding),
                last.steps(),
                batches.stream().mapToInt(GenerationResult::batchSize).max().orElseThrow(),
                last.compiled(),
                last.memory());
    }

    private static Duration sum(
            List<GenerationResult> batches, Function<GenerationResult, Duration> stage) {
        return batches.stream().map(stage).reduce(Duration.ZERO, Duration::plus);
    }

    private void requireOpen() {
        if (closed) {
            throw new CancellationException("The pipeline is closed.");
        }
    }

    @Override
    public void close() {
        closed = true;
        generating.lock();
        try {
            if (freed) {
                return;
            }
            freed = true;
            decoders.values().forEach(TorchModule::close);
            unet.close();
            textEncoder.close();
        } finally {
            generating.unlock();
        }
    }
}
