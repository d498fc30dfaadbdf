package dev.darkroom.tools;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ImageFormat;
import dev.darkroom.contract.InputImage;
import dev.darkroom.contract.Overrides;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.contract.Safety;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.Fit;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationException;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ImageToImage;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.PromptSyntax;
import dev.darkroom.diffusion.SafetyPolicy;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.SourceImage;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.torch.BundleException;
import dev.darkroom.torch.DeviceException;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.DiffusionPipeline;
import dev.darkroom.worker.deliver.Provenance;
import dev.darkroom.worker.deliver.Provenance.Making;
import dev.darkroom.worker.image.ImageEncoder;
import dev.darkroom.worker.image.PictureReader;
import dev.darkroom.worker.image.UnreadablePictureException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ThreadLocalRandom;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code darkroom generate}: the pipeline alone, from prompts to files. Images and JSON lines keep the prompts' order. */
@Command(
        name = "generate",
        description = {
            "Generates images with the pipeline alone: no Kafka, no store.",
            "",
            "Images are written as DIR/000.png, DIR/001.png … in the order of the prompts. Standard output gets one line of "
                + "JSON for each; everything meant for a person goes to standard error."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom generate \"a rocket on a purple background, flat icon\" --seed 7",
            "  darkroom generate --prompts prompts.txt --profile baseline --seed 0 --out baseline",
            "  darkroom generate \"a watercolor of a rocket\" --image rocket.jpg --strength 0.6"
        })
public final class GenerateCommand implements Callable<Integer> {

    private static final ObjectMapper JSON = new ObjectMapper()
            .registerModule(new Jdk8Module())
            .setDefaultPropertyInclusion(JsonInclude.Include.NON_ABSENT);

    /** What shells report for a process that an interrupt ended. */
    private static final int INTERRUPTED = 130;

    private final ImageEncoder encoder = new ImageEncoder();
    private final RequestReader requests = new RequestReader();

    @Spec
    private CommandSpec spec;

    @Parameters(arity = "0..1", paramLabel = "PROMPT", description = "What the image shows.")
    private String prompt;

    @Option(names = "--prompts", paramLabel = "FILE",
            description = "A file with a prompt a line, in UTF-8; empty lines are skipped. - reads standard input.")
    private String prompts;

    @Option(names = "--out", paramLabel = "DIR", defaultValue = "out", description = "Where the images go.")
    private Path out;

    @Option(names = "--format", paramLabel = "F", defaultValue = "png", converter = FormatOption.class,
            completionCandidates = FormatOption.class, description = "File format: ${COMPLETION-CANDIDATES}.")
    private ImageFormat format;

    @Option(names = "--no-provenance", showDefaultValue = CommandLine.Help.Visibility.NEVER,
            description = "Leaves out of the images that a model generated them.")
    private boolean unmarked;

    @Option(names = "--profile", paramLabel = "P", defaultValue = "final", converter = ProfileOption.class,
            completionCandidates = ProfileOption.class, description = "One of ${COMPLETION-CANDIDATES}.")
    private Profile profile;

    @Option(names = "--seed", paramLabel = "N",
            description = "Seed of the first prompt's first image. The prompt of line i, from 0, takes N + i, and each "
                    + "further image of a prompt (--count) one more. A random one unless given.")
    private Long seed;

    @Option(names = "--count", paramLabel = "N", defaultValue = "1", description = "Images for each prompt.")
    private int count;

    @Option(names = "--negative-prompt", paramLabel = "TEXT", defaultValue = "",
            showDefaultValue = CommandLine.Help.Visibility.NEVER, description = "What the images must not show.")
    private String negativePrompt;

    @Option(names = "--prompt-syntax", paramLabel = "S", defaultValue = "plain", converter = PromptSyntaxOption.class,
            completionCandidates = PromptSyntaxOption.class,
            description = "${COMPLETION-CANDIDATES}: whether (a red apple:1.3) is words, or makes an apple more important.")
    private PromptSyntax promptSyntax;

    @Option(names = "--image", paramLabel = "FILE",
            description = "A picture that the images start from: a PNG, JPEG or WebP file.")
    private Path image;

    @Option(names = "--mask", paramLabel = "FILE",
            description = "A picture as large as the image: what is white in it is made anew, what is black is kept.")
    private Path mask;

    @Option(names = "--strength", paramLabel = "X",
            description = "How much of the picture is given up, up to 1: the fraction of the steps that run. 0.8 unless given, "
                    + "and 1 with a mask.")
    private Double strength;

    @Option(names = "--fit", paramLabel = "F", defaultValue = "crop", converter = FitOption.class,
            completionCandidates = FitOption.class,
            description = "${COMPLETION-CANDIDATES}: how a picture of another shape is brought to the image's size.")
    private Fit fit;

    @Option(names = "--steps", paramLabel = "N", description = "Inference steps, 1 to 150, instead of the profile's.")
    private Integer steps;

    @Option(names = "--scheduler", paramLabel = "S", converter = SchedulerOption.class,
            completionCandidates = SchedulerOption.class,
            description = "${COMPLETION-CANDIDATES}, instead of the profile's.")
    private SchedulerName scheduler;

    @Option(names = "--guidance-scale", paramLabel = "X",
            description = "Classifier-free guidance scale, instead of the profile's. 1 or less turns guidance off.")
    private Double guidanceScale;

    @Option(names = "--cutoff", paramLabel = "X",
            description = "Fraction of the steps, 0 to 1, after which guidance is dropped, instead of the profile's. 1 never "
                    + "drops it.")
    private Double cutoff;

    @Option(names = "--decoder", paramLabel = "D", converter = DecoderOption.class,
            completionCandidates = DecoderOption.class,
            description = "${COMPLETION-CANDIDATES}, instead of the profile's.")
    private DecoderName decoder;

    @Option(names = "--adapter", paramLabel = "NAME[:SCALE]", converter = AdapterOption.class,
            description = "An adapter of the bundle, at a scale from -4 to 4, 1 unless given. Can be repeated.")
    private List<LoraAdapter> adapters = List.of();

    @Option(names = "--width", paramLabel = "PX", description = "Image width, one that the bundle offers.")
    private Integer width;

    @Option(names = "--height", paramLabel = "PX", description = "Image height, one that the bundle offers.")
    private Integer height;

    @Option(names = "--batch-size", paramLabel = "N",
            description = "Images that are denoised together. The bundle's largest batch unless given.")
    private Integer batchSize;

    @Option(names = "--safety", paramLabel = "P", defaultValue = "off", converter = SafetyOption.class,
            completionCandidates = SafetyOption.class,
            description = "${COMPLETION-CANDIDATES}: whether the bundle's safety checker looks at the images, and whether what "
                    + "it flags is written.")
    private SafetyPolicy safety;

    @Option(names = "--bundle", paramLabel = "DIR", defaultValue = "${env:DARKROOM_BUNDLE:-models/mini}",
            showDefaultValue = CommandLine.Help.Visibility.NEVER,
            description = "The model bundle. DARKROOM_BUNDLE's, or models/mini, unless given.")
    private Path bundle;

    @Option(names = "--device", paramLabel = "D", defaultValue = "${env:DARKROOM_DEVICE_INDEX:-cpu}",
            showDefaultValue = CommandLine.Help.Visibility.NEVER, converter = DeviceOption.class,
            description = "cpu, or the CUDA index of a GPU. DARKROOM_DEVICE_INDEX's, or cpu, unless given.")
    private DeviceSelection device;

    @Override
    public Integer call() throws IOException {
        List<ImagePrompt> images = imagePrompts();
        Folders.create(out);
        QuietLog.warningsToStandardError();
        ProgressLine progress = ProgressLine.onStandardError();
        Vocabulary.hint(bundle, images.stream().map(ImagePrompt::prompt).toList()).ifPresent(progress::end);
        long begin = System.nanoTime();
        NativeLibraries.announce(progress);
        progress.show("loading the model …");
        try (DiffusionPipeline pipeline = DiffusionPipeline.load(bundle, device, safety)) {
            // On an interrupt, too, torch has to be done before the JVM exits
            Runtime.getRuntime().addShutdownHook(new Thread(pipeline::close));
            generate(pipeline, images, progress, begin);
        } catch (CancellationException e) {
            return INTERRUPTED;
        } catch (BundleException | DeviceException | GenerationException e) {
            progress.clear();
            throw new CommandException(e.getMessage(), e);
        }
        return ExitCode.OK;
    }

    private void generate(DiffusionPipeline generator, List<ImagePrompt> prompts, ProgressLine progress, long start)
            throws IOException {
        int batch = batch(generator.model());
        GenerationParameters parameters;
        try {
            parameters = parameters(generator.model());
            generator.check(parameters);
        } catch (UnsupportedParametersException e) {
            throw wrong(e.getMessage());
        }
        List<ImagePrompt> images = withPicture(prompts, parameters);
        generator.prepare(generator.reading(parameters, images.subList(0, 1)), Set.of(Math.min(batch, images.size())));
        ModelDescription model = generator.model();
        progress.end("model %s on %s, %s: loaded in %s".formatted(
                model.bundle(), model.device(), model.engine(), ProgressLine.since(start)));
        long begin = System.nanoTime();
        int withheld = 0;
        List<ImagePrompt> some = List.of();
        for (int from = 0; from < images.size(); from += some.size()) {
            GenerationParameters read = generator.reading(parameters, images.subList(from, from + 1));
            some = images.subList(from, Math.min(images.size(), from + batch)).stream()
                    .takeWhile(image -> generator.reading(parameters, List.of(image)).equals(read)).toList();
            String text = "%d of %d images, step".formatted(from, images.size());
            Instant batchStart = Instant.now();
            GenerationResult result = generator.generate(
                    read, some, (step, total) -> progress.show(text, step, total));
            for (int i = 0; i < some.size(); i++) {
                progress.clear();
                if (!write(from + i, some.get(i), read, result, result.images().get(i), generator.model(), batchStart)) {
                    withheld++;
                }
            }
        }
        int written = images.size() - withheld;
        progress.end("%d %s in %s after %s%s".formatted(written, written == 1 ? "image" : "images", out,
                ProgressLine.since(begin), withheld == 0 ? "" : "; %d flagged and withheld".formatted(withheld)));
    }

    /** Says whether the image was written, and not withheld. */
    private boolean write(int index, ImagePrompt image, GenerationParameters parameters, GenerationResult result,
            GeneratedImage pixels, ModelDescription model, Instant start) throws IOException {
        Provenance provenance = new Provenance(profile.label(), parameters, model, !unmarked);
        Optional<Safety> said = Provenance.safety(pixels);
        if (said.filter(of -> !safety.keeps(of.flagged())).isPresent()) {
            Making making = provenance.making(List.of(pixels), result, Duration.ZERO, Duration.ZERO)
                    .stored(Duration.ZERO, Duration.between(start, Instant.now()));
            print(index, Optional.empty(), image, provenance, making, said);
            return false;
        }
        Instant encoding = Instant.now();
        byte[] encoded = encoder.encode(format, pixels.width(), pixels.height(), pixels.rgb(),
                provenance.image(image, Map.of()), provenance.mark(image.prompt()));
        Instant writing = Instant.now();
        Path file = out.resolve("%03d.%s".formatted(index, format.extension()));
        Folders.write(file, encoded);
        Instant written = Instant.now();
        Making making = provenance.making(List.of(pixels), result, Duration.ZERO, Duration.between(encoding, writing))
                .stored(Duration.between(writing, written), Duration.between(start, written));
        print(index, Optional.of(file), image, provenance, making, said);
        return true;
    }

    private void print(int index, Optional<Path> file, ImagePrompt image, Provenance provenance, Making making,
            Optional<Safety> said) throws IOException {
        System.out.println(JSON.writeValueAsString(new Line(
                index,
                file.map(Path::toString),
                image.prompt(),
                image.seed(),
                said,
                provenance.parameters(image, 1, format, making.promptTruncated()),
                making.timings(),
                making.vram(),
                making.model(),
                provenance.mark(image.prompt()))));
    }

    private List<ImagePrompt> imagePrompts() throws IOException {
        if ((prompt == null) == (prompts == null)) {
            throw wrong(prompt == null
                    ? "there is nothing to generate: give a PROMPT, or a file of prompts with --prompts FILE"
                    : "give either a PROMPT or --prompts FILE, not both");
        }
        if (image == null && (mask != null || strength != null)) {
            throw wrong((mask != null ? "--mask" : "--strength") + " says what becomes of a picture: give one with --image FILE");
        }
        if (count < 1) {
            throw wrong("--count is %d; it must be at least 1".formatted(count));
        }
        List<String> texts = prompt == null ? promptLines() : List.of(prompt);
        if (texts.isEmpty() || texts.get(0).isBlank()) {
            throw wrong(prompt == null ? "there is no prompt in " + prompts : "the prompt is empty");
        }
        long first = seed == null ? ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE) : seed;
        List<ImagePrompt> images = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            requireRequestable(texts.get(i));
            for (int k = 0; k < count; k++) {
                try {
                    images.add(new ImagePrompt(texts.get(i), negativePrompt, promptSyntax, first + i + k));
                } catch (UnsupportedParametersException e) {
                    throw wrong(e.getMessage());
                }
            }
        }
        return images;
    }

    /** What no request may ask for is not drawn here either. */
    private void requireRequestable(String text) {
        GenerationRequest request = new GenerationRequest("generate", text, negativePrompt, promptSyntax.label(),
                profile.label(), Overrides.NONE, OptionalLong.empty(), 1, format, Optional.empty(), Map.of());
        if (requests.read(request) instanceof ReadResult.Refused refused) {
            throw wrong(refused.message());
        }
    }

    private List<String> promptLines() throws IOException {
        try {
            String text = prompts.equals("-")
                    ? new String(System.in.readAllBytes(), StandardCharsets.UTF_8)
                    : Files.readString(Path.of(prompts));
            return text.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
        } catch (NoSuchFileException e) {
            throw wrong("there is no file " + prompts);
        } catch (CharacterCodingException e) {
            throw wrong(prompts + " is not UTF-8 text");
        }
    }

    private GenerationParameters parameters(ModelDescription model) {
        GenerationParameters of = profile.parameters(model, adapters);
        try {
            GenerationParameters parameters = new GenerationParameters(
                    width == null ? of.width() : width,
                    height == null ? of.height() : height,
                    steps == null ? of.steps() : steps,
                    scheduler == null ? of.scheduler() : scheduler,
                    guidanceScale == null ? of.guidanceScale() : guidanceScale,
                    cutoff == null ? of.guidanceCutoff() : cutoff,
                    decoder == null ? of.decoder() : decoder,
                    of.compiled(),
                    of.adapters());
            double unlessGiven = mask == null ? InputImage.DEFAULT_STRENGTH : InputImage.DEFAULT_STRENGTH_WITH_MASK;
            return image == null ? parameters : parameters.startingFrom(
                    new ImageToImage(strength == null ? unlessGiven : strength, mask != null));
        } catch (IllegalArgumentException e) {
            throw wrong(e.getMessage());
        }
    }

    private List<ImagePrompt> withPicture(List<ImagePrompt> prompts, GenerationParameters parameters) throws IOException {
        if (image == null) {
            return prompts;
        }
        Optional<byte[]> maskFile = mask == null ? Optional.empty() : Optional.of(read(mask));
        try {
            SourceImage picture = new PictureReader(Long.MAX_VALUE).read(read(image), maskFile, parameters.size(), fit);
            return prompts.stream().map(prompt -> prompt.startingFrom(picture)).toList();
        } catch (UnreadablePictureException e) {
            throw wrong(e.getMessage());
        }
    }

    private byte[] read(Path file) throws IOException {
        try {
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw wrong("there is no file " + file);
        }
    }

    private int batch(ModelDescription model) {
        if (batchSize == null) {
            return model.largestBatch();
        }
        if (batchSize < 1 || batchSize > model.largestBatch()) {
            throw wrong("--batch-size is %d; the bundle %s offers 1 to %d".formatted(
                    batchSize, model.bundle(), model.largestBatch()));
        }
        return batchSize;
    }

    private ParameterException wrong(String sentence) {
        return new ParameterException(spec.commandLine(), sentence);
    }

    /** A line of standard output. Where an event has the same thing, it has the same name and form. */
    private record Line(int index, Optional<String> file, String prompt, long seed, Optional<Safety> safety,
            Completed.Parameters parameters, Completed.Timings timings, Optional<Completed.Vram> vram, Completed.Model model,
            Optional<Completed.Provenance> provenance) {
    }

    /** Reads an adapter and its scale. */
    private static final class AdapterOption implements ITypeConverter<LoraAdapter> {
        @Override
        public LoraAdapter convert(String value) {
            int colon = value.lastIndexOf(':');
            try {
                return colon < 0 ? new LoraAdapter(value, 1)
                        : new LoraAdapter(value.substring(0, colon), Double.parseDouble(value.substring(colon + 1)));
            } catch (NumberFormatException | UnsupportedParametersException e) {
                throw new TypeConversionException("'%s' is not NAME or NAME:SCALE, the scale from -4 to 4".formatted(value));
            }
        }
    }

    /** Reads and lists formats by the names that requests use. */
    private static final class FormatOption implements ITypeConverter<ImageFormat>, Iterable<String> {
        @Override
        public ImageFormat convert(String value) {
            return Arrays.stream(ImageFormat.values()).filter(format -> format.label().equals(value)).findFirst()
                    .orElseThrow(() -> new TypeConversionException(
                            "there is no format '%s'; there are %s".formatted(value, String.join(", ", this))));
        }

        @Override
        public Iterator<String> iterator() {
            return Arrays.stream(ImageFormat.values()).map(ImageFormat::label).iterator();
        }
    }

    /** Reads schedulers by the names that requests use. */
    private static final class SchedulerOption extends ByLabel<SchedulerName> {
        SchedulerOption() {
            super("scheduler", SchedulerName.class);
        }
    }

    /** Reads syntaxes of prompts by the names that requests use. */
    private static final class PromptSyntaxOption extends ByLabel<PromptSyntax> {
        PromptSyntaxOption() {
            super("syntax", PromptSyntax.class);
        }
    }

    /** Reads ways to fit a picture by the names that requests use. */
    private static final class FitOption extends ByLabel<Fit> {
        FitOption() {
            super("fit", Fit.class);
        }
    }

    /** Reads policies by the names that the worker's setting uses. */
    private static final class SafetyOption extends ByLabel<SafetyPolicy> {
        SafetyOption() {
            super("policy", SafetyPolicy.class);
        }
    }

    /** Reads decoders by the names that requests use. */
    private static final class DecoderOption extends ByLabel<DecoderName> {
        DecoderOption() {
            super("decoder", DecoderName.class);
        }
    }
}
