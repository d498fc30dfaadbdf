package dev.darkroom.tools.gpu;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.tools.ChildCommand;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.DeviceOption;
import dev.darkroom.tools.Folders;
import dev.darkroom.tools.Home;
import dev.darkroom.torch.BundleException;
import dev.darkroom.torch.CompiledPackages;
import dev.darkroom.torch.CudaDriver;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.ModelBundle;
import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code darkroom gpu setup}: from a driver, Python, a JDK and GCC to a worker that runs compiled. */
@Command(
        name = "setup",
        description = {
            "Brings this machine to a worker that runs compiled: torch and what compiling needs, the operators' library, the "
                + "checkpoint, a bundle with packages for this GPU, and one image that is compared with diffusers'.",
            "",
            "It needs NVIDIA's driver, Python 3.11 to 3.13 with venv and headers, and GCC, and writes below .darkroom/gpu alone; "
                + "what it downloads from Hugging Face's hub lies in the hub's own cache. A step that is done is kept; a run "
                + "that was cut off goes on where it stopped.",
            "",
            "What the launcher needs is written to .darkroom/gpu/environment. `generate`, `worker` and `bench` use it from then "
                + "on, and `demo` with --gpu. What you export yourself comes first; DARKROOM_GPU=off leaves all of it out."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom gpu setup",
            "  darkroom gpu setup --checkpoint stable-diffusion-v1-5 --tiny taesd --size 512x512 --size 768x512",
            "  darkroom gpu setup --python /opt/torch/bin/python --checkpoint /models/sd15"
        })
final class SetupCommand implements Callable<Integer> {

    private static final ObjectMapper JSON = new ObjectMapper();

    // Gigabytes, with room to spare: torch with CUDA's libraries takes 5.6, a bundle of Stable Diffusion 1.5 2.2
    private static final int PYTHON_ROOM = 9;
    private static final int BUNDLE_ROOM = 3;

    // As the compiler has them
    private static final int TEXT_LENGTH = 77;
    private static final int MOST_TEXTS = 8;

    private static final Predicate<String> NONE = line -> false;
    /** As the compiler's Python programs tell their progress: {@code   12.3 s  what was done}. */
    private static final Predicate<String> PROGRESS = Pattern.compile("^ *\\d+\\.\\d s  .*").asMatchPredicate();
    private static final Predicate<String> DOWNLOADS = Pattern.compile("^\\S+/\\S+: \\d+ files, .*").asMatchPredicate();

    private static final String PROMPT = "a lighthouse on a cliff in a storm";
    private static final String PROFILE = "final";

    @Spec
    private CommandSpec spec;

    @Option(names = "--checkpoint", paramLabel = "DIR",
            description = "A Stable Diffusion 1.x checkpoint in diffusers layout, instead of one that is downloaded.")
    private Path checkpoint;

    @Option(names = "--tiny", paramLabel = "DIR",
            description = "The Tiny VAE (TAESD). tiny_vae in the checkpoint unless given, or else one that is downloaded.")
    private Path tiny;

    @Option(names = "--model", paramLabel = "REPO", defaultValue = "stable-diffusion-v1-5/stable-diffusion-v1-5",
            description = "The checkpoint's repository on Hugging Face's hub. HF_ENDPOINT, HF_TOKEN and HF_HOME are honoured.")
    private String model;

    @Option(names = "--tiny-model", paramLabel = "REPO", defaultValue = "madebyollin/taesd",
            description = "The Tiny VAE's repository.")
    private String tinyModel;

    @Option(names = "--bundle", paramLabel = "DIR",
            description = "Where the bundle is made. .darkroom/gpu/bundle unless given.")
    private Path bundle;

    @Option(names = "--size", paramLabel = "WxH",
            description = "An image size offered, in pixels; repeatable, the first is the default. The checkpoint's own unless "
                    + "given.")
    private List<String> sizes = List.of();

    @Option(names = "--batch-size", paramLabel = "N",
            description = "A batch size offered; repeatable. 1, 2, 4 and 8 unless given.")
    private List<Integer> batchSizes = List.of();

    @Option(names = "--tokens", paramLabel = "N,N",
            description = "Tokens of prompts offered, multiples of 77, as 77,154: a longer prompt is read as two texts. 77 alone "
                    + "unless given.")
    private String tokens;

    @Option(names = "--safety",
            description = "Also the checkpoint's safety checker, by which the worker can flag or withhold images.")
    private boolean safety;

    @Option(names = "--jobs", paramLabel = "N",
            description = "Packages compiled at a time. Half the processors unless given.")
    private Integer jobs;

    @Option(names = "--python", paramLabel = "PATH",
            description = "A Python that has torch 2.7.1 with CUDA, diffusers and transformers, used as it is. CMake and make "
                    + "are looked for beside it and on the PATH.")
    private Path python;

    @Option(names = "--device", paramLabel = "D", defaultValue = "0", converter = DeviceOption.class,
            description = "The CUDA index of the GPU; cpu tries all of it without one.")
    private DeviceSelection device;

    @Option(names = "--again", description = "Does every step again.")
    private boolean again;

    private Path home;
    private Steps steps;
    private Machine machine;
    /** What the Python of the other steps is run with, beside this process' own environment. */
    private Map<String, String> environment;

    @Override
    public Integer call() throws IOException {
        home = Home.scratch("gpu");
        bundle = (bundle == null ? home.resolve("bundle") : bundle).toAbsolutePath().normalize();
        requireFolder("--checkpoint", checkpoint);
        requireFolder("--tiny", tiny);
        sizes.forEach(this::requireSize);
        batchSizes.forEach(size -> requirePositive("--batch-size", size));
        requirePositive("--jobs", jobs == null ? 1 : jobs);
        requireTokens();
        machine = Machine.here();
        try (FileChannel lock = FileChannel.open(home.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            if (lock.tryLock() == null) {
                throw new CommandException("Another `darkroom gpu setup` is under way in this checkout.");
            }
            steps = new Steps(home.resolve("setup.log"));
            steps.say("log", steps.log().toString());
            setUp();
        }
        return ExitCode.OK;
    }

    private void requireFolder(String option, Path folder) {
        if (folder != null && !Files.isDirectory(folder)) {
            throw new ParameterException(spec.commandLine(), "%s is %s, and there is no such folder".formatted(option, folder));
        }
    }

    private void requireSize(String size) {
        Matcher sides = Pattern.compile("(\\d{1,5})x(\\d{1,5})").matcher(size);
        if (!sides.matches() || isNoSide(sides.group(1)) || isNoSide(sides.group(2))) {
            throw new ParameterException(spec.commandLine(),
                    "--size is %s; it must be WIDTHxHEIGHT in multiples of 8 pixels, as 512x512".formatted(size));
        }
    }

    private static boolean isNoSide(String pixels) {
        int side = Integer.parseInt(pixels);
        return side == 0 || side % 8 != 0;
    }

    private void requireTokens() {
        for (String length : tokens == null ? List.<String>of() : List.of(tokens.split(",", -1))) {
            if (!length.matches("[1-9]\\d{0,2}") || Integer.parseInt(length) % TEXT_LENGTH != 0
                    || Integer.parseInt(length) > MOST_TEXTS * TEXT_LENGTH) {
                throw new ParameterException(spec.commandLine(), "--tokens is %s; it must be multiples of %d up to %d, separated "
                        .formatted(tokens, TEXT_LENGTH, MOST_TEXTS * TEXT_LENGTH) + "by commas, as 77,154");
            }
        }
    }

    private void requirePositive(String option, int value) {
        if (value < 1) {
            throw new ParameterException(spec.commandLine(), "%s is %d; it must be at least 1".formatted(option, value));
        }
    }

    private void setUp() throws IOException {
        String gpu = device.isCpu() ? "none: on the CPU, to try the compiled path" : describe(Machine.gpu(device.index(),
                python != null));
        steps.say("gpu", gpu);
        steps.say("compiler", machine.askCompiler());
        environment = pythonEnvironment();
        Path interpreter = python == null ? virtualEnvironment() : python.toAbsolutePath();
        JsonNode torch = torch(interpreter);
        Path operators = operators(interpreter, torch);
        JsonNode assembled = checkpoint(interpreter);
        String bundleStamp = bundle(interpreter, torch, assembled);
        GpuSettings settings = new GpuSettings(Path.of(torch.path("library").asText()), operators, bundle, device);
        check(interpreter, settings, bundleStamp);
        settings.write(Home.resolve(GpuSettings.FILE),
                "./darkroom " + String.join(" ", spec.root().commandLine().getParseResult().originalArgs()));
        steps.say("settings", GpuSettings.FILE);
        System.out.printf("%nReady: `generate`, `worker` and `bench` run compiled on %s from now on. Try it:%n%n"
                + "  ./darkroom demo --gpu%n", device.isCpu() ? "the CPU" : gpu);
    }

    private static String describe(CudaDriver.Gpu gpu) {
        return "%s, compute capability %s, driver for CUDA %s".formatted(gpu.name(), gpu.computeCapability(), gpu.cudaVersion());
    }

    private Map<String, String> pythonEnvironment() {
        Map<String, String> variables = new HashMap<>();
        Map<String, String> own = System.getenv();
        // The checkout's own code, also for a Python in which it is not installed
        variables.put("PYTHONPATH", prepend(sources(), own.get("PYTHONPATH")));
        variables.put("PYTHONUNBUFFERED", "1");
        variables.put("CXX", machine.compiler().toString());
        variables.put("CC", machine.compiler().resolveSibling("gcc").toString());
        if (!device.isCpu()) {
            // Python's programs take the first GPU that they see
            String visible = own.get("CUDA_VISIBLE_DEVICES");
            variables.put("CUDA_VISIBLE_DEVICES", visible == null ? String.valueOf(device.index())
                    : visible.split(",")[device.index()].strip());
        }
        return variables;
    }

    private static Path sources() {
        return Home.resolve("src/main/python");
    }

    private static String prepend(Path folder, String path) {
        return path == null || path.isEmpty() ? folder.toString() : folder + File.pathSeparator + path;
    }

    /** The interpreter of the virtual environment, which is made unless it is there. */
    private Path virtualEnvironment() throws IOException {
        Path folder = home.resolve("venv");
        Path interpreter = folder.resolve("bin/python");
        Stamp stamp = new Stamp(home.resolve("steps/python"));
        String madeFrom = Stamp.digest(folder, Files.readString(sources().resolve("pyproject.toml")));
        Optional<String> kept = kept(stamp, madeFrom).filter(outcome -> Files.isExecutable(interpreter));
        if (kept.isPresent()) {
            return interpreter;
        }
        Machine.Python base = machine.python();
        Machine.requireRoom(home, PYTHON_ROOM + BUNDLE_ROOM, "torch with CUDA's libraries, and the bundle,");
        steps.say("python", "%s %s; installing torch %s and what compiling needs into %s (3 GB to download)".formatted(
                base.executable(), base.version(), GpuSettings.TORCH, folder));
        stamp.begin(madeFrom);
        // What an installation that was cut off has left may be half of a package
        steps.run("python", "making the virtual environment",
                List.of(base.executable().toString(), "-m", "venv", "--clear", folder.toString()), Map.of(), NONE);
        try {
            steps.run("python", "installing", List.of(interpreter.toString(), "-m", "pip", "install",
                    "--disable-pip-version-check", "-e", sources() + "[gpu]"), Map.of(), NONE);
        } catch (CommandException e) {
            throw new CommandException(e.getMessage() + "\nWhere no package index is reached, name a Python that has torch "
                    + GpuSettings.TORCH + " with --python.", e);
        }
        stamp.end(madeFrom, folder.toString());
        return interpreter;
    }

    private Optional<String> kept(Stamp stamp, String madeFrom) {
        return again ? Optional.empty() : stamp.outcome(madeFrom);
    }

    /** What {@code darkroom_bundle.environment} tells of the interpreter's torch. */
    private JsonNode torch(Path interpreter) {
        environment.put("PATH", prepend(interpreter.getParent(), System.getenv("PATH")));
        JsonNode torch = json(steps.run("python", "asking for torch", python(interpreter, "darkroom_bundle.environment",
                "--device", device.isCpu() ? "cpu" : "cuda", "--cuda-home", home.resolve("cuda").toString()),
                environment, NONE));
        if (torch.has("cudaHome")) {
            environment.put("CUDA_HOME", torch.path("cudaHome").asText());
            environment.put("TRITON_LIBCUDA_PATH", torch.path("cudaHome").asText() + "/lib64");
        }
        steps.say("python", "%s: torch %s".formatted(interpreter, torch.path("torch").asText()));
        return torch;
    }

    private static List<String> python(Path interpreter, String module, String... arguments) {
        List<String> command = new ArrayList<>(List.of(interpreter.toString(), "-m", module));
        command.addAll(List.of(arguments));
        return command;
    }

    private JsonNode json(List<String> lines) {
        try {
            return JSON.readTree(lines.stream().filter(line -> line.startsWith("{")).reduce((first, last) -> last).orElse("{}"));
        } catch (JsonProcessingException e) {
            throw new CommandException("What the step said cannot be read; all of it: " + steps.log(), e);
        }
    }

    /** The operators' library, built against the interpreter's torch. */
    private Path operators(Path interpreter, JsonNode torch) {
        Path sources = Home.resolve("src/main/cpp");
        Path folder = home.resolve("operators");
        Path library = folder.resolve("libdarkroom_operators.so");
        Stamp stamp = new Stamp(home.resolve("steps/operators"));
        Path libtorch = Path.of(torch.path("library").asText());
        String madeFrom = Stamp.digest(folder, Stamp.sources(sources, name -> !name.endsWith(".md")),
                torch.path("torch").asText(), libtorch, Stamp.listing(libtorch));
        if (kept(stamp, madeFrom).isPresent() && Files.isRegularFile(library)) {
            steps.say("operators", library + " (kept)");
            return library;
        }
        stamp.begin(madeFrom);
        String cmake = Optional.of(interpreter.resolveSibling("cmake")).filter(Files::isExecutable)
                .or(() -> machine.find("cmake")).map(Path::toString)
                .orElseThrow(() -> new CommandException("There is no CMake beside %s or on the PATH. Install it there: "
                        .formatted(interpreter) + "`pip install cmake`, or `apt install cmake`."));
        if (Files.isDirectory(folder)) {
            Folders.delete(folder);
        }
        List<String> configure = new ArrayList<>(List.of(cmake, "-S", sources.toString(), "-B", folder.toString(),
                "-DTORCH=" + libtorch.getParent(), "-DCMAKE_CXX_COMPILER=" + machine.compiler()));
        // The Python package brings no make; its ninja does as well
        Optional.of(interpreter.resolveSibling("ninja")).filter(Files::isExecutable)
                .ifPresent(ninja -> configure.addAll(List.of("-G", "Ninja", "-DCMAKE_MAKE_PROGRAM=" + ninja)));
        long begin = System.nanoTime();
        steps.run("operators", "building", configure, environment, NONE);
        steps.run("operators", "building", List.of(cmake, "--build", folder.toString()), environment, NONE);
        stamp.end(madeFrom, library.toString());
        steps.say("operators", "%s, built in %s".formatted(library, seconds(begin)));
        return library;
    }

    private static String seconds(long begin) {
        return (System.nanoTime() - begin) / 1_000_000_000 + " s";
    }

    private Path links() {
        return home.resolve("checkpoint");
    }

    /** Name and source of the checkpoint, of which what is compiled has been linked into one folder. */
    private JsonNode checkpoint(Path interpreter) {
        List<String> from = new ArrayList<>();
        if (checkpoint == null) {
            from.addAll(List.of("--model", model));
        } else {
            from.addAll(List.of("--checkpoint", checkpoint.toAbsolutePath().toString()));
        }
        from.addAll(tiny == null ? List.of("--tiny-model", tinyModel) : List.of("--tiny", tiny.toAbsolutePath().toString()));
        if (safety) {
            from.add("--safety");
        }
        Stamp stamp = new Stamp(home.resolve("steps/checkpoint"));
        String madeFrom = Stamp.digest(links(), from);
        // Folders are linked anew each time, in a second: what is in them may be another
        boolean folders = checkpoint != null && (tiny != null || Files.isDirectory(checkpoint.resolve("tiny_vae")));
        Optional<String> kept = kept(stamp, madeFrom).filter(outcome -> !folders && linksLead());
        if (kept.isEmpty()) {
            stamp.begin(madeFrom);
            List<String> arguments = new ArrayList<>(python(interpreter, "darkroom_bundle.hub", from.toArray(String[]::new)));
            arguments.addAll(List.of("--out", links().toString()));
            JsonNode assembled = json(steps.run("checkpoint", "fetching", arguments, environment, DOWNLOADS));
            stamp.end(madeFrom, assembled.toString());
            steps.say("checkpoint", assembled.path("source").asText());
            return assembled;
        }
        JsonNode assembled = json(List.of(kept.get()));
        steps.say("checkpoint", assembled.path("source").asText() + " (kept)");
        return assembled;
    }

    private boolean linksLead() {
        return List.of("unet", "text_encoder", "vae", "tiny_vae").stream()
                .allMatch(part -> Files.isRegularFile(links().resolve(part).resolve("config.json")));
    }

    /**
     * Compiles the bundle, or what is missing of it.
     *
     * @return what it was made from
     */
    private String bundle(Path interpreter, JsonNode torch, JsonNode assembled) throws IOException {
        Stamp stamp = new Stamp(bundle.resolve("setup.stamp"));
        // Which packages a change of the compiler concerns is its own affair; what else lies there does not concern the bundle
        String compiler = Stamp.sources(sources().resolve("darkroom_bundle"),
                name -> name.endsWith(".py") && !List.of("adapters.py", "environment.py", "hub.py").contains(name));
        String architecture = torch.path("architecture").asText();
        String madeFrom = Stamp.digest(Stamp.listing(links()), assembled, sizes, batchSizes, options(), architecture,
                torch.path("torch").asText(), compiler);
        boolean modules = !again && stamp.begun(madeFrom) && intact(() -> ModelBundle.read(bundle).verify());
        Optional<String> kept = kept(stamp, madeFrom).filter(outcome -> modules && intact(() ->
                CompiledPackages.read(ModelBundle.read(bundle), architecture, GpuSettings.TORCH)));
        if (kept.isPresent()) {
            steps.say("bundle", "%s: %s (kept)".formatted(bundle, kept.get()));
            return madeFrom;
        }
        if (Files.exists(bundle.resolve(ModelBundle.MANIFEST)) && !Files.exists(stamp.file())) {
            throw new CommandException("%s holds a bundle that `gpu setup` did not make. Name another folder with --bundle."
                    .formatted(bundle));
        }
        Folders.create(bundle);
        Machine.requireRoom(bundle, BUNDLE_ROOM, "The bundle");
        List<String> command;
        if (modules) {
            steps.say("bundle", "compiling what is missing in " + bundle);
            command = new ArrayList<>(python(interpreter, "darkroom_bundle", "packages", "--bundle", bundle.toString(),
                    "--checkpoint", links().toString(), "--device", device.isCpu() ? "cpu" : "cuda"));
        } else {
            steps.say("bundle", "compiling into %s; beside an H100 this takes 6 minutes on 32 cores, 10 on 16".formatted(bundle));
            Files.deleteIfExists(bundle.resolve(ModelBundle.MANIFEST));
            command = new ArrayList<>(python(interpreter, "darkroom_bundle", "compile", "--checkpoint", links().toString(),
                    "--out", bundle.toString(), "--name", assembled.path("name").asText(),
                    "--source", assembled.path("source").asText()));
            command.addAll(device.isCpu() ? List.of("--packages", "cpu") : List.of("--gpu"));
            sizes.forEach(size -> command.addAll(List.of("--size", size)));
            batchSizes.forEach(size -> command.addAll(List.of("--batch-size", String.valueOf(size))));
            command.addAll(options());
        }
        if (jobs != null) {
            command.addAll(List.of("--jobs", String.valueOf(jobs)));
        }
        stamp.begin(madeFrom);
        long begin = System.nanoTime();
        steps.run("bundle", "compiling", command, environment, PROGRESS);
        stamp.end(madeFrom, assembled.path("name").asText() + " for " + architecture);
        steps.say("bundle", "compiled in " + seconds(begin));
        return madeFrom;
    }

    /** The compiler's options of what a bundle may have beyond the rest. */
    private List<String> options() {
        List<String> options = new ArrayList<>();
        if (tokens != null) {
            options.addAll(List.of("--tokens", tokens));
        }
        if (safety) {
            options.add("--safety");
        }
        return options;
    }

    private static boolean intact(Runnable read) {
        try {
            read.run();
            return true;
        } catch (BundleException e) {
            return false;
        }
    }

    /** Draws one image as the worker does, and compares it with diffusers'. */
    private void check(Path interpreter, GpuSettings settings, String bundleStamp) throws IOException {
        Stamp stamp = new Stamp(home.resolve("steps/check"));
        String madeFrom = Stamp.digest(settings, bundleStamp, Stamp.listing(settings.operators().getParent()),
                Stamp.listing(bundle.resolve("compiled")));
        Optional<String> kept = kept(stamp, madeFrom);
        if (kept.isPresent()) {
            steps.say("check", kept.get() + " (kept)");
            return;
        }
        stamp.begin(madeFrom);
        Path out = Folders.create(home.resolve("check"));
        List<String> lines = new ArrayList<>();
        List<String> generate = List.of("generate", PROMPT, "--seed", "0", "--profile", PROFILE, "--out", out.toString());
        int exitCode = steps.during("check", "drawing one image", new AtomicReference<>(""),
                () -> ChildCommand.run(generate, settings.variables(), steps.log(), lines::add));
        if (exitCode != ExitCode.OK || lines.isEmpty()) {
            throw new CommandException("check failed: no image was drawn. %s%nAll of the output: %s".formatted(
                    steps.lastLine(), steps.log()));
        }
        JsonNode image = json(lines);
        if (!image.at("/model/compiled").asBoolean()) {
            throw new CommandException("check failed: the image was drawn uncompiled. %s%nAll of the output: %s".formatted(
                    steps.lastLine(), steps.log()));
        }
        String dtype = ModelBundle.read(bundle).manifest().dtype();
        List<String> said = steps.run("check", "drawing the same with diffusers", python(interpreter, "darkroom_bench.check",
                "--checkpoint", links().toString(), "--image", image.path("file").asText(), "--prompt", PROMPT, "--seed", "0",
                "--profile", PROFILE, "--size", "%dx%d".formatted(image.at("/parameters/width").asInt(),
                image.at("/parameters/height").asInt()), "--dtype", dtype, "--device", device.isCpu() ? "cpu" : "cuda"),
                environment, NONE);
        String outcome = said.get(said.size() - 1);
        stamp.end(madeFrom, outcome);
        steps.say("check", outcome);
    }
}
