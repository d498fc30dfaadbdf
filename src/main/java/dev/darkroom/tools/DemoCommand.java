package dev.darkroom.tools;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.EventType;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ImageFormat;
import dev.darkroom.contract.Outcome;
import dev.darkroom.contract.Overrides;
import dev.darkroom.contract.Progress;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.page.Page;
import dev.darkroom.torch.ComputeDevice;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.worker.KafkaBinding;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
import io.cloudevents.CloudEvent;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code darkroom demo}: one request's way through a real broker, the worker and a real store, and back as an event. */
@Command(
        name = "demo",
        description = {
            "Shows everything at once: starts a Kafka broker, an S3-compatible store and the worker on this machine, sends one "
                + "request, and waits for its images and its event.",
            "",
            "Writes DIR/<requestId>-<index>.png and the completed event, DIR/<requestId>.json. Leaves nothing running. Exit "
                + "code 1 if the request fails. With --page it goes on until Ctrl-C."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom demo",
            "  darkroom demo --page                               and see it in a browser",
            "  darkroom demo --gpu \"a lighthouse in a storm\"      after `darkroom gpu setup`",
            "  darkroom demo \"an umbrella on a yellow background, glossy icon\" --count 4 --seed 1"
        })
public final class DemoCommand implements Callable<Integer> {

    private static final String REQUESTS = "darkroom.requests";
    private static final String COMPLETIONS = "darkroom.completions";
    private static final String PROGRESS = "darkroom.progress";
    /** A short request would be over before the second sign of life. What the worker has drawn it also takes as a picture. */
    private static final Map<String, String> SETTINGS = Map.of(
            "darkroom.progress.interval", "50ms",
            "darkroom.store.bucket", "darkroom",
            "darkroom.inputs.buckets", "darkroom");
    private static final Duration POLL = Duration.ofMillis(50);
    private static final Duration PATIENCE = Duration.ofMinutes(10);
    private static final int MAX_COUNT = 8;
    private static final int PROMPT_SHOWN = 80;

    private final ProgressLine progress = ProgressLine.onStandardError();

    @Spec
    private CommandSpec spec;

    @Parameters(arity = "0..1", paramLabel = "PROMPT",
            defaultValue = "a rocket on a purple background, flat icon", description = "What the image shows.")
    private String prompt;

    @Option(names = "--profile", paramLabel = "P", defaultValue = "final", converter = ProfileOption.class,
            completionCandidates = ProfileOption.class, description = "One of ${COMPLETION-CANDIDATES}.")
    private Profile profile;

    @Option(names = "--seed", paramLabel = "N",
            description = "Seed of the first image; the others count up. Derived from the request's id unless given.")
    private Long seed;

    @Option(names = "--count", paramLabel = "N", defaultValue = "1", description = "Number of images, 1 to 8.")
    private int count;

    @Option(names = "--out", paramLabel = "DIR", defaultValue = "out", description = "Where images and event go.")
    private Path out;

    @Option(names = "--gpu",
            description = "On the GPU and with the bundle that `darkroom gpu setup` made, instead of the built-in model on the "
                    + "CPU.")
    private boolean gpu;

    @Mixin
    private PageOption page;

    @Option(names = "--json", description = "Prints the completed event as a line of JSON instead.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        // The launcher has put into the environment what setup wrote down
        if (gpu && System.getenv("DARKROOM_DEVICE_INDEX") == null) {
            throw new CommandException("No GPU is set up here%s. `darkroom gpu setup` does that."
                    .formatted("off".equals(System.getenv("DARKROOM_GPU")) ? ", or DARKROOM_GPU=off hides it" : ""));
        }
        if (count < 1 || count > MAX_COUNT) {
            throw new ParameterException(spec.commandLine(), "--count is %d; a request may ask for 1 to %d images"
                    .formatted(count, MAX_COUNT));
        }
        GenerationRequest request = request();
        if (new RequestReader().read(request) instanceof ReadResult.Refused refused) {
            throw new ParameterException(spec.commandLine(), refused.message());
        }
        page.requireFree();
        Folders.create(out);
        NativeLibraries.announce(progress);
        Scratch scratch = Scratch.of("demo");
        Path logs = scratch.folder();
        long begin = System.nanoTime();
        progress.show("starting a Kafka broker and an S3 store …");
        loadTorchMeanwhile();
        int exitCode = ExitCode.SOFTWARE;
        try (StackProcess stack = StackProcess.start(logs.resolve("stack.log"), false);
                Page shown = page.open(stack, SETTINGS).orElse(null)) {
            stack.endsThisProcess(scratch);
            progress.end("broker and store  ready after " + ProgressLine.since(begin));
            if (shown != null) {
                progress.end("page              " + shown.address());
            }
            progress.show("starting the worker and loading its model …");
            long workerBegin = System.nanoTime();
            exitCode = EmbeddedWorker.run(stack, logs, SETTINGS, () -> {
                progress.end("worker            ready after " + ProgressLine.since(workerBegin));
                int outcome = talk(stack, request);
                if (shown != null) {
                    System.out.printf("%nThe page goes on, and takes requests: %s  Ctrl-C ends it.%n", shown.address());
                    new CountDownLatch(1).await();
                }
                return outcome;
            });
        } finally {
            scratch.end(exitCode == ExitCode.OK);
        }
        return exitCode;
    }

    /** What the worker needs next, while the servers leave this process idle. Of a failure the worker tells. */
    private void loadTorchMeanwhile() {
        if (gpu) {
            return;
        }
        Thread thread = new Thread(() -> {
            try {
                ComputeDevice.open(DeviceSelection.cpu());
            } catch (RuntimeException e) {
                // As above
            }
        }, "torch");
        thread.setDaemon(true);
        thread.start();
    }

    private GenerationRequest request() {
        String id = "demo-" + LocalDateTime.now(ZoneId.systemDefault()).format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss"));
        return new GenerationRequest(id, prompt, "", GenerationRequest.DEFAULT_PROMPT_SYNTAX, profile.label(), Overrides.NONE,
                seed == null ? OptionalLong.empty() : OptionalLong.of(seed), count, ImageFormat.PNG, Optional.empty(),
                Map.of());
    }

    private int talk(StackProcess stack, GenerationRequest request) throws IOException {
        CloudEvent event;
        try (EventClient client = new EventClient(stack.bootstrapServers())) {
            client.follow(List.of(COMPLETIONS, PROGRESS));
            client.send(KafkaBinding.toRecord(REQUESTS, request.requestId(),
                    new Events("/darkroom/demo").of(request, Instant.now())));
            client.flush();
            progress.end("request           %s, profile %s: %s".formatted(
                    request.requestId(), request.profile(), shortened(request.prompt())));
            Vocabulary.hint(Vocabulary.usualBundle(), List.of(request.prompt())).ifPresent(progress::end);
            event = await(client, request.requestId());
        }
        Outcome outcome = Events.outcome(event);
        if (outcome instanceof Failed failed) {
            progress.end("failed            %s: %s".formatted(failed.reason(), failed.message()));
            return ExitCode.SOFTWARE;
        }
        Completed completed = (Completed) outcome;
        List<Path> files = download(stack, completed);
        Path eventFile = out.resolve(request.requestId() + ".json");
        Folders.write(eventFile, Json.indented(Events.toStructured(event)));
        if (json) {
            System.out.println(new String(Events.toStructured(event), StandardCharsets.UTF_8));
        } else {
            tell(completed, files, eventFile);
        }
        return ExitCode.OK;
    }

    private static String shortened(String text) {
        return text.length() <= PROMPT_SHOWN ? text : text.substring(0, PROMPT_SHOWN) + " …";
    }

    private CloudEvent await(EventClient client, String requestId) {
        AtomicReference<CloudEvent> found = new AtomicReference<>();
        long begin = System.nanoTime();
        progress.show("waiting for the worker …");
        while (found.get() == null) {
            if (System.nanoTime() - begin > PATIENCE.toNanos()) {
                throw new CommandException("There is no outcome after %d minutes.".formatted(PATIENCE.toMinutes()));
            }
            client.poll(POLL, event -> {
                if (!requestId.equals(event.getSubject())) {
                    return;
                }
                if (EventType.PROGRESS.type().equals(event.getType())) {
                    Progress now = Events.progress(event);
                    progress.show("denoising        ", now.step(), now.total());
                } else {
                    found.set(event);
                }
            });
        }
        return found.get();
    }

    private List<Path> download(StackProcess stack, Completed completed) throws IOException {
        List<Path> files = new ArrayList<>();
        try (MinioImageStore store = new MinioImageStore(new StoreSettings(URI.create(stack.storeEndpoint()), "us-east-1",
                completed.images().get(0).bucket(), stack.accessKey(), stack.secretKey(), true, false,
                Duration.ofSeconds(5), Duration.ofSeconds(30)))) {
            for (Completed.Image image : completed.images()) {
                Path file = out.resolve("%s-%d.png".formatted(completed.requestId(), files.size()));
                Folders.write(file, store.get(image.key()).orElseThrow(
                        () -> new CommandException("The event names %s, which the store lacks.".formatted(image.uri()))));
                files.add(file);
            }
        }
        return files;
    }

    private void tell(Completed completed, List<Path> files, Path eventFile) {
        Completed.Timings timings = completed.timings();
        progress.clear();
        Completed.Model model = completed.model();
        System.out.printf("%n%s%n%n", "completed by %s on %s (%s%s)".formatted(
                model.bundle(), model.device(), model.engine(), model.compiled() ? ", compiled" : ""));
        row("queue wait", timings.queueWait(), "until the worker took it up");
        row("text encoding", timings.textEncoding(), "");
        row("denoising", timings.denoising(), "%d steps, %s, batch of %d".formatted(
                timings.steps(), completed.parameters().scheduler(), timings.batchSize()));
        row("decoding", timings.decoding(), completed.parameters().decoder() + " decoder");
        row("image encoding", timings.imageEncoding(), completed.parameters().output().format().label());
        row("upload", timings.upload(), "");
        row("total", timings.total(), "");
        System.out.println();
        for (int i = 0; i < files.size(); i++) {
            Completed.Image image = completed.images().get(i);
            System.out.printf(Locale.ROOT, "%s  %dx%d px, seed %d%n", files.get(i), image.width(), image.height(),
                    image.seed());
        }
        System.out.printf("%s  the completed event%n", eventFile);
    }

    private static void row(String stage, double milliseconds, String note) {
        System.out.println(
                String.format(Locale.ROOT, "  %-15s %9.1f ms   %s", stage, milliseconds, note).stripTrailing());
    }
}
