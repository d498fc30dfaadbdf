package dev.darkroom.tools.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.torch.DeviceSelection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gpu doctor} as a process, with the environment that the launcher would give it. */
class DoctorCommandIT {

    private static final Path MINI = Path.of("models/mini").toAbsolutePath();

    @TempDir
    private Path folder;

    @Test
    void withoutSetupEverythingThatIsMissingIsTold() throws Exception {
        Run run = Run.of(folder, Map.of("DARKROOM_BUNDLE", MINI.toString()), "gpu", "doctor");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains(
                "missing  settings    There is no .darkroom/gpu/environment, which `darkroom gpu setup` writes at its end.",
                "missing  libtorch    PYTORCH_LIBRARY_PATH is not set.",
                "missing  operators   PYTORCH_EXTRA_LIBRARY_PATH is not set.",
                "ok       bundle      mini in " + MINI,
                "The next start does not run compiled. What `darkroom gpu setup` makes, it makes again:\n\n"
                        + "  ./darkroom gpu setup\n")
                .doesNotContain("packages");
    }

    @Test
    void whatSetupMadeAndWasRemovedIsToldWithTheCommandThatMadeIt() throws Exception {
        GpuSettings settings = settings();
        Files.delete(settings.operators());

        Run run = Run.of(folder, settings.variables(), "gpu", "doctor");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains(
                "ok       settings    " + folder + "/.darkroom/gpu/environment\n",
                "ok       gpu         none: the CPU is selected",
                "ok       libtorch    " + settings.libtorch() + "/libtorch_cuda.so",
                "missing  operators   PYTORCH_EXTRA_LIBRARY_PATH names " + settings.operators() + ", which is not there.",
                "  ./darkroom gpu setup --jobs 3\n");
    }

    @Test
    void aLibraryThatCannotBeLoadedIsTold() throws Exception {
        Run run = Run.of(folder, settings().variables(), "gpu", "doctor");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains("ok       operators", "missing  packages    torch cannot be loaded: ");
    }

    @Test
    void whatTheUserExportsIsNamed() throws Exception {
        Map<String, String> environment = new HashMap<>(settings().variables());
        environment.put("DARKROOM_BUNDLE", folder.toString());

        Run run = Run.of(folder, environment, "gpu", "doctor");

        assertThat(run.output()).contains("environment, but for what you export: DARKROOM_BUNDLE\n",
                "missing  bundle      There is no model bundle in " + folder + ": bundle.json is missing.");
    }

    @Test
    void settingsThatAreLeftOutAreTold() throws Exception {
        settings();

        Run run = Run.of(folder, Map.of("DARKROOM_GPU", "off", "DARKROOM_BUNDLE", MINI.toString()), "gpu", "doctor");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains(
                "missing  settings    DARKROOM_GPU is off, so that .darkroom/gpu/environment is left out. Unset it.");
    }

    /** As setup writes them, of files that are there and are no libraries. */
    private GpuSettings settings() throws IOException {
        Path gpu = Files.createDirectories(folder.resolve(".darkroom/gpu"));
        GpuSettings settings = new GpuSettings(gpu, gpu.resolve("libdarkroom_operators.so"), MINI, DeviceSelection.cpu());
        Files.writeString(gpu.resolve("libtorch_cuda.so"), "none");
        Files.writeString(settings.operators(), "none");
        settings.write(gpu.resolve("environment"), "./darkroom gpu setup --jobs 3");
        return settings;
    }
}
