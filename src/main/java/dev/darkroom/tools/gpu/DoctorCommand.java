package dev.darkroom.tools.gpu;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.DeviceOption;
import dev.darkroom.tools.Home;
import dev.darkroom.tools.QuietLog;
import dev.darkroom.torch.BundleException;
import dev.darkroom.torch.CompiledPackages;
import dev.darkroom.torch.ComputeDevice;
import dev.darkroom.torch.CudaDriver;
import dev.darkroom.torch.DeviceException;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.ModelBundle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/**
 * {@code darkroom gpu doctor}: what is there, what is missing, and whether the next start will run compiled. The launcher gives
 * it the environment that it would give the worker.
 */
@Command(
        name = "doctor",
        description = {
            "Says, a line each, what is there, what is missing, and whether the next start of the worker will run compiled.",
            "",
            "Exit code 0 if it will, 1 if not."
        },
        footerHeading = "%nExample:%n",
        footer = "  darkroom gpu doctor")
final class DoctorCommand implements Callable<Integer> {

    private final Map<String, String> environment;
    private final List<Part> parts = new ArrayList<>();
    private boolean compiled = true;

    @Option(names = "--json", description = "Prints one line of JSON instead.")
    private boolean json;

    /** A part of what the worker needs: what there is, or the sentence that says what is missing. */
    private record Part(String part, boolean ok, String found) {
    }

    private record Findings(boolean compiled, List<Part> parts) {
    }

    DoctorCommand() {
        this(System.getenv());
    }

    DoctorCommand(Map<String, String> environment) {
        this.environment = environment;
    }

    @Override
    public Integer call() throws JsonProcessingException {
        QuietLog.warningsToStandardError();
        // What only setup needs is told, and does not count
        tell("compiler", () -> Machine.here().askCompiler());
        tell("python", () -> {
            Path made = Home.resolve(".darkroom/gpu/venv/bin/python");
            return Files.isExecutable(made) ? made.toString() : pythonForSetup();
        });
        compiled = true;
        tell("settings", this::settings);
        tell("gpu", this::gpu);
        tell("libtorch", () -> file("PYTORCH_LIBRARY_PATH", "libtorch_cuda.so"));
        tell("operators", () -> file("PYTORCH_EXTRA_LIBRARY_PATH", ""));
        tell("bundle", this::bundle);
        if (compiled) {
            tell("packages", this::packages);
        }
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(new Findings(compiled, parts)));
            return compiled ? ExitCode.OK : ExitCode.SOFTWARE;
        }
        System.out.println(compiled
                ? "\nThe next start of `generate`, `worker` or `bench` runs compiled."
                : "\nThe next start does not run compiled. What `darkroom gpu setup` makes, it makes again:\n\n  "
                        + GpuSettings.command().orElse("./darkroom gpu setup"));
        return compiled ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private void tell(String part, Supplier<String> look) {
        try {
            tell(new Part(part, true, look.get()));
        } catch (CommandException | DeviceException | BundleException e) {
            compiled = false;
            tell(new Part(part, false, e.getMessage()));
        }
    }

    /** As soon as it is known: some parts take seconds to look at. */
    private void tell(Part part) {
        parts.add(part);
        if (!json) {
            System.out.printf("%-8s %-11s %s%n", part.ok() ? "ok" : "missing", part.part(), part.found());
        }
    }

    private static String pythonForSetup() {
        Machine.Python found = Machine.here().python();
        return "%s, version %s, for setup".formatted(found.executable(), found.version());
    }

    private String settings() {
        Path file = Home.resolve(GpuSettings.FILE);
        if ("off".equals(environment.get("DARKROOM_GPU"))) {
            throw new CommandException("DARKROOM_GPU is off, so that %s is left out. Unset it.".formatted(GpuSettings.FILE));
        }
        if (!Files.exists(file) && !environment.containsKey("PYTORCH_LIBRARY_PATH")) {
            throw new CommandException("There is no %s, which `darkroom gpu setup` writes at its end.".formatted(
                    GpuSettings.FILE));
        }
        List<String> exported = GpuSettings.written().entrySet().stream()
                .filter(setting -> !setting.getValue().equals(environment.get(setting.getKey())))
                .map(Map.Entry::getKey).toList();
        return !Files.exists(file) ? "those that you export"
                : exported.isEmpty() ? file.toString()
                : "%s, but for what you export: %s".formatted(file, String.join(", ", exported));
    }

    private DeviceSelection device() {
        return new DeviceOption().convert(environment.getOrDefault("DARKROOM_DEVICE_INDEX", "0"));
    }

    private String gpu() {
        if (device().isCpu()) {
            return "none: the CPU is selected";
        }
        CudaDriver.Gpu gpu = Machine.gpu(device().index(), true);
        return "cuda:%d %s, compute capability %s, driver for CUDA %s".formatted(
                device().index(), gpu.name(), gpu.computeCapability(), gpu.cudaVersion());
    }

    /** @param name of a file that a folder must hold; empty where the variable names the file */
    private String file(String variable, String name) {
        String value = environment.get(variable);
        if (value == null) {
            throw new CommandException(variable + " is not set.");
        }
        Path file = Path.of(value).resolve(name);
        if (!Files.isRegularFile(file)) {
            throw new CommandException("%s names %s, which is not there.".formatted(variable, file));
        }
        return file.toString();
    }

    private String bundle() {
        ModelBundle bundle = ModelBundle.read(Path.of(environment.getOrDefault("DARKROOM_BUNDLE", "models/mini")));
        bundle.verify();
        return "%s in %s".formatted(bundle.manifest().name(), bundle.folder());
    }

    private String packages() {
        ComputeDevice opened = ComputeDevice.open(device());
        CompiledPackages packages = opened.packages(ModelBundle.read(Path.of(environment.get("DARKROOM_BUNDLE"))));
        return "%d for %s, by torch %s; this is %s".formatted(packages.graphs().size(), packages.architecture(),
                packages.torchVersion(), opened.engineName());
    }
}
