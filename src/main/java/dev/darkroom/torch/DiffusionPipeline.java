package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.darkroom.diffusion.AdapterDescription;
import dev.darkroom.diffusion.Ddim;
import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.DpmSolverMultistep;
import dev.darkroom.diffusion.EulerAncestralDiscrete;
import dev.darkroom.diffusion.EulerDiscrete;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.Guidance;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.ImageToImage;
import dev.darkroom.diffusion.Lcm;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.MemoryStatistics;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.NoiseSchedule;
import dev.darkroom.diffusion.Safety;
import dev.darkroom.diffusion.SafetyPolicy;
import dev.darkroom.diffusion.Scheduler;
import dev.darkroom.diffusion.SourceImage;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.diffusion.UnsupportedParametersException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
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

    private final ModelBundle bundle;
    private final BundleManifest manifest;
    private final NoiseSchedule schedule;
    private final ComputeDevice device;
    private final Networks networks;
    private final TextEncoder textEncoder;
    private final Adapters adapters;
    private final boolean checksSafety;
    private final ReentrantLock generating = new ReentrantLock();
    private volatile boolean closed;
    private boolean freed;

    private DiffusionPipeline(ModelBundle bundle, NoiseSchedule schedule, ComputeDevice device, boolean checksSafety) {
        this.bundle = bundle;
        this.manifest = bundle.manifest();
        this.schedule = schedule;
        this.device = device;
        this.checksSafety = checksSafety;
        networks = new Networks(bundle, device);
        textEncoder = new TextEncoder(bundle, device, networks);
        adapters = new Adapters(bundle, device, networks);
    }

    /** Opens a bundle on a device, whose images are not looked at by its safety checker. */
    public static DiffusionPipeline load(Path folder, DeviceSelection selection) {
        return load(folder, selection, SafetyPolicy.OFF);
    }

    /**
     * Opens a bundle on a device. What a batch needs of it is loaded by {@link #prepare}, or when a batch first needs it.
     * The thread that calls this need not be the one that generates.
     *
     * @param folder the bundle's folder
     * @param safety whether the bundle's safety checker looks at the images; what becomes of those that it flags is the
     *     caller's
     * @throws BundleException if the bundle is incomplete, made for something else than this worker, or has no safety checker
     *     where one is needed
     * @throws DeviceException if the device is not there or not the required one
     */
    public static DiffusionPipeline load(Path folder, DeviceSelection selection, SafetyPolicy safety) {
        ModelBundle bundle = ModelBundle.read(folder);
        if (safety.checks() && !bundle.manifest().hasSafetyChecker()) {
            throw new BundleException("The bundle " + bundle.manifest().name() + " has no safety checker, which the safety "
                    + "policy " + safety.label() + " needs. Compile it with --safety, or choose the policy "
                    + SafetyPolicy.OFF.label() + ".");
        }
        ComputeDevice device = ComputeDevice.open(selection);
        bundle.requireTorch(device.engineVersion());
        return new DiffusionPipeline(bundle, schedule(bundle.manifest()), device, safety.checks());
    }

    private static NoiseSchedule schedule(BundleManifest manifest) {
        try {
            return new NoiseSchedule(manifest.scheduler());
        } catch (IllegalArgumentException e) {
            throw new BundleException("bundle.json: " + e.getMessage(), e);
        }
    }

    private static long since(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1_000_000;
    }

    /**
     * Loads all that these parameters need and, where compiled packages run, runs each once, so that no batch waits for
     * that. For the generating thread.
     *
     * @param batchSizes how many images a batch will have
     * @throws BundleException if a module cannot be loaded, or a file of the bundle, needed or not, is damaged
     * @throws DeviceMemoryException if the device has too little memory for even one image
     * @throws DeviceFaultException if the device is lost
     */
    public void prepare(GenerationParameters parameters, Collection<Integer> batchSizes) {
        check(parameters);
        long start = System.nanoTime();
        generating.lock();
        try {
            requireOpen();
            textEncoder.prepare(parameters.compiled());
            safetyChecker();
            // Beginning with the largest: smaller graphs fit into the memory that it leaves in their common pool
            for (int images : batchSizes.stream().sorted(Comparator.reverseOrder()).toList()) {
                try {
                    stages(parameters, batchSizes(parameters).next(images));
                } catch (DeviceMemoryException e) {
                    // Batches of that size will be halved; what cannot run one image is of no use
                    if (images == 1) {
                        throw e;
                    }
                    LOG.warnf("device=\"out of memory\" batchSize=%d reason=\"%s\"", images, e.getMessage());
                }
            }
            try {
                adapters.apply(parameters.adapters());
            } catch (BundleException e) {
                throw e;
            } catch (RuntimeException e) {
                throw DeviceErrors.classify(e);
            }
            bundle.verify();
            // What loading took is no batch's
            device.memory();
        } finally {
            generating.unlock();
        }
        LOG.infof("pipeline=ready bundle=%s device=\"%s\" engine=\"%s\" compiled=%s ms=%d", manifest.name(),
                device.description(), device.engineName(), model().compiled(), since(start));
    }

    @Override
    public ModelDescription model() {
        return new ModelDescription(manifest.name(), bundle.digest(), device.description(), device.engineName(),
                manifest.sizes(), manifest.batchSizes(), manifest.textLengths(), manifest.fewSteps(), offeredAdapters(),
                networks.uncompiled());
    }

    private List<AdapterDescription> offeredAdapters() {
        return manifest.adapters().entrySet().stream()
                .map(adapter -> new AdapterDescription(adapter.getKey(), adapter.getValue().fewSteps())).toList();
    }

    /** {@link ComputeDevice#usedAtOpen} of this pipeline's device. */
    public Optional<Long> deviceUsedAtOpen() {
        return device.usedAtOpen();
    }

    @Override
    public void check(GenerationParameters parameters) {
        ModelDescription model = model();
        ImageSize size = parameters.size();
        if (!model.sizes().contains(size)) {
            boolean widthOffered = model.sizes().stream().anyMatch(offered -> offered.width() == size.width());
            throw new UnsupportedParametersException(widthOffered ? "height" : "width", "The size " + size
                    + " is not on offer; the model " + model.bundle() + " makes "
                    + model.sizes().stream().map(ImageSize::toString).collect(Collectors.joining(", ")) + ".");
        }
        for (LoraAdapter adapter : parameters.adapters()) {
            if (!manifest.adapters().containsKey(adapter.name())) {
                throw new UnsupportedParametersException("adapters", "There is no adapter " + adapter.name() + "; the model "
                        + model.bundle() + " has " + model.adapterNames() + ".");
            }
        }
        if (parameters.imageToImage().isPresent() && manifest.encoder(parameters.decoder()).isEmpty()) {
            throw new UnsupportedParametersException("image", "The model " + model.bundle() + " cannot start from a picture: its "
                    + "bundle has no encoder. Compile it again to have one.");
        }
        model.requireWeightsFor(parameters.scheduler(), parameters.adapters(), "scheduler");
    }

    @Override
    public GenerationParameters reading(GenerationParameters parameters, List<ImagePrompt> prompts) {
        List<Integer> offered = manifest.textChunks();
        if (offered.size() == 1) {
            return parameters;
        }
        boolean guided = parameters.guidedSteps() > 0;
        int needed = prompts.stream().mapToInt(prompt -> Math.max(textEncoder.chunks(text(prompt)),
                guided ? textEncoder.chunks(negative(prompt)) : 1)).max().orElse(1);
        return parameters.readingTexts(offered.stream().filter(chunks -> chunks >= needed).findFirst()
                .orElse(offered.get(offered.size() - 1)));
    }

    private static TextEncoder.Text text(ImagePrompt prompt) {
        return new TextEncoder.Text(prompt.prompt(), prompt.syntax());
    }

    private static TextEncoder.Text negative(ImagePrompt prompt) {
        return new TextEncoder.Text(prompt.negativePrompt(), prompt.syntax());
    }

    @Override
    public GenerationResult generate(
            GenerationParameters parameters, List<ImagePrompt> prompts, StepListener listener) {
        check(parameters);
        if (prompts.isEmpty()) {
            throw new IllegalArgumentException("There are no prompts.");
        }
        prompts.forEach(prompt -> requirePicture(parameters, prompt.source()));
        Progress progress = new Progress(listener, parameters.stepsToRun(), prompts.size());
        generating.lock();
        try {
            List<GenerationResult> batches = FittingBatches.run(prompts, batchSizes(parameters),
                    (batch, batchSize) -> generateBatch(parameters, batch, batchSize, progress));
            return batches.size() == 1 ? batches.get(0) : join(batches);
        } finally {
            generating.unlock();
        }
    }

    private static void requirePicture(GenerationParameters parameters, Optional<SourceImage> source) {
        Optional<Boolean> masked = source.map(picture -> picture.mask().isPresent());
        if (!masked.equals(parameters.imageToImage().map(ImageToImage::masked)) || source.filter(picture ->
                picture.width() != parameters.width() || picture.height() != parameters.height()).isPresent()) {
            throw new IllegalArgumentException("The pictures of a batch, their masks and their sizes are not its parameters'.");
        }
    }

    /** The batch sizes that the denoising step takes. */
    private BatchSizes batchSizes(GenerationParameters parameters) {
        Guidance guidance = Guidance.of(parameters);
        ImageSize size = parameters.size();
        List<Integer> offered = !parameters.compiled() ? List.of() : networks.compiledSizes(
                batch -> GraphKey.step(guidance.guidedSteps() > 0, batch, size, tokens(parameters)));
        return offered.isEmpty() ? BatchSizes.upTo(manifest.largestBatch()) : BatchSizes.of(offered);
    }

    /** Tokens of a prompt's embeddings. */
    private int tokens(GenerationParameters parameters) {
        return parameters.textChunks() * manifest.textLength();
    }

    /** The networks of a batch; {@code guided} or {@code unguided} alone where all steps are, or none is. */
    private record Stages(Network guided, Network unguided, Network decoder, Optional<PictureEncoder> encoder) {

        boolean compiled() {
            return guided.isCompiled() && unguided.isCompiled() && decoder.isCompiled()
                    && encoder.map(PictureEncoder::network).map(Network::isCompiled).orElse(true);
        }
    }

    private Stages stages(GenerationParameters parameters, int batchSize) {
        Guidance guidance = Guidance.of(parameters);
        ImageSize size = parameters.size();
        boolean compiled = parameters.compiled();
        int tokens = tokens(parameters);
        Network first = networks.find(GraphKey.step(guidance.guides(0), batchSize, size, tokens), compiled);
        Network last = networks.find(
                GraphKey.step(guidance.guides(parameters.stepsToRun() - 1), batchSize, size, tokens), compiled);
        String decoder = switch (parameters.decoder()) {
            case FULL -> ModelBundle.VAE_DECODER;
            case TINY -> ModelBundle.TINY_DECODER;
        };
        return new Stages(first, last, networks.find(GraphKey.vae(decoder, batchSize, size), compiled),
                parameters.imageToImage().flatMap(start -> manifest.encoder(parameters.decoder()))
                        .map(encoder -> new PictureEncoder(device, manifest,
                                networks.find(GraphKey.vae(encoder, batchSize, size), compiled),
                                encoder.equals(ModelBundle.VAE_ENCODER))));
    }

    private Optional<SafetyChecker> safetyChecker() {
        return checksSafety ? Optional.of(new SafetyChecker(networks.module(ModelBundle.SAFETY_CHECKER))) : Optional.empty();
    }

    /**
     * @param prompts at most {@code batchSize}; the last one fills the places that are left, whose images are dropped
     */
    private GenerationResult generateBatch(
            GenerationParameters parameters, List<ImagePrompt> prompts, int batchSize, Progress progress) {
        Guidance guidance = Guidance.of(parameters);
        List<ImagePrompt> filled = BatchSizes.fill(prompts, batchSize);
        requireOpen();
        try (NDManager manager = device.newManager()) {
            Stages stages = stages(parameters, batchSize);
            Optional<Duration> switched = adapters.apply(parameters.adapters());
            long start = System.nanoTime();
            TextEncoder.Embeddings embeddings = encode(manager, filled, guidance, parameters);
            device.await(embeddings.hiddenStates());
            long encoded = System.nanoTime();
            List<Long> seeds = filled.stream().map(ImagePrompt::seed).toList();
            Optional<StartingLatents> pictures = stages.encoder().map(encoder -> encoder.encode(manager,
                    parameters.imageToImage().orElseThrow(),
                    filled.stream().flatMap(prompt -> prompt.source().stream()).toList(), seeds, parameters.size()));
            pictures.ifPresent(begin -> device.await(begin.latents()));
            long started = System.nanoTime();
            DenoisingLoop loop = new DenoisingLoop(
                    device, manifest, scheduler(parameters), guidance, stages.guided(), stages.unguided());
            NDArray latents = loop.run(manager, parameters, seeds, embeddings.hiddenStates(), pictures, step -> {
                progress.stepDone(step, prompts.size());
                requireOpen();
            });
            device.await(latents);
            long denoised = System.nanoTime();
            NDArray pixels = stages.decoder().run(new NDList(latents), Network.WHOLE).singletonOrThrow();
            ByteBuffer host = pixels.toByteBuffer(true);
            long decoded = System.nanoTime();
            Optional<List<Safety>> safety = safetyChecker().map(checker -> checker.check(pixels));
            List<GeneratedImage> images = images(parameters, prompts, embeddings.truncated(), host, safety);
            long checked = System.nanoTime();
            progress.batchDone(prompts.size());
            return new GenerationResult(images, switched, Duration.ofNanos(encoded - start),
                    pictures.map(begin -> Duration.ofNanos(started - encoded)), Duration.ofNanos(denoised - started),
                    Duration.ofNanos(decoded - denoised), safety.map(said -> Duration.ofNanos(checked - decoded)),
                    parameters.stepsToRun(),
                    prompts.size(), embeddings.compiled() && stages.compiled(), device.memory());
        } catch (CancellationException e) {
            throw e;
        } catch (RuntimeException e) {
            throw DeviceErrors.classify(e);
        }
    }

    private Scheduler scheduler(GenerationParameters parameters) {
        Scheduler whole = switch (parameters.scheduler()) {
            case EULER_ANCESTRAL -> EulerAncestralDiscrete.of(schedule, parameters.steps());
            case DPMPP_2M -> DpmSolverMultistep.of(schedule, parameters.steps());
            case EULER -> EulerDiscrete.of(schedule, parameters.steps());
            case DDIM -> Ddim.of(schedule, parameters.steps());
            case LCM -> Lcm.of(schedule, parameters.steps());
        };
        return whole.last(parameters.stepsToRun());
    }

    /** Embeddings of the negative prompts and then of the prompts, {@code [2B, T, C]}; of the prompts if none is guided. */
    private TextEncoder.Embeddings encode(
            NDManager manager, List<ImagePrompt> prompts, Guidance guidance, GenerationParameters parameters) {
        Stream<TextEncoder.Text> texts = prompts.stream().map(DiffusionPipeline::text);
        Stream<TextEncoder.Text> negatives = prompts.stream().map(DiffusionPipeline::negative);
        return textEncoder.encode(manager, (guidance.guidedSteps() == 0 ? texts : Stream.concat(negatives, texts)).toList(),
                parameters.textChunks(), adapters.ofTexts(), parameters.compiled());
    }

    /**
     * @param truncated for each text that was encoded, whether it was cut
     * @param pixels uint8 {@code [B, height, width, 3]}
     * @param safety what the safety checker said of each image, if it was asked
     */
    private static List<GeneratedImage> images(GenerationParameters parameters, List<ImagePrompt> prompts,
            List<Boolean> truncated, ByteBuffer pixels, Optional<List<Safety>> safety) {
        int bytes = 3 * parameters.width() * parameters.height();
        int batchSize = pixels.remaining() / bytes;
        List<GeneratedImage> images = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            byte[] rgb = new byte[bytes];
            pixels.get(rgb);
            boolean cut = false;
            for (int text = i; text < truncated.size(); text += batchSize) {
                cut |= truncated.get(text);
            }
            int image = i;
            images.add(new GeneratedImage(parameters.width(), parameters.height(), rgb, prompts.get(i).seed(), cut,
                    safety.map(said -> said.get(image))));
        }
        return images;
    }

    private static GenerationResult join(List<GenerationResult> batches) {
        GenerationResult last = batches.get(batches.size() - 1);
        return new GenerationResult(
                batches.stream().flatMap(batch -> batch.images().stream()).toList(),
                batches.stream().flatMap(batch -> batch.adapterSwitch().stream()).reduce(Duration::plus),
                sum(batches, GenerationResult::textEncoding),
                batches.stream().flatMap(batch -> batch.sourceEncoding().stream()).reduce(Duration::plus),
                sum(batches, GenerationResult::denoising),
                sum(batches, GenerationResult::decoding),
                batches.stream().flatMap(batch -> batch.safetyCheck().stream()).reduce(Duration::plus),
                last.steps(),
                batches.stream().mapToInt(GenerationResult::batchSize).max().orElseThrow(),
                batches.stream().allMatch(GenerationResult::compiled),
                batches.stream().flatMap(batch -> batch.memory().stream()).reduce(MemoryStatistics::then));
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
            textEncoder.close();
            adapters.close();
            networks.close();
        } finally {
            generating.unlock();
        }
    }
}
