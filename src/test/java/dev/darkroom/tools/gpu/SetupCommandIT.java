package dev.darkroom.tools.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The packaged {@code gpu setup --device cpu}, with a Python that is a script: it makes environments, answers for torch, and
 * compiles by copying {@code models/mini}. The compiled image at the end cannot be had so, and setup says so.
 */
class SetupCommandIT {

    private static final String ASKS = "python darkroom_bundle.environment --device";
    private static final String COMPILES = "python darkroom_bundle compile";

    @TempDir
    private Path folder;

    private Path checkout;
    private Path programs;
    private Path calls;

    @BeforeEach
    void checkOut() throws IOException {
        checkout = folder.resolve("checkout");
        programs = folder.resolve("programs");
        calls = folder.resolve("calls");
        for (String source : List.of("src/main/cpp/operators.cpp", "src/main/python/darkroom_bundle/packages.py",
                "src/main/python/darkroom_bundle/hub.py")) {
            Files.createDirectories(checkout.resolve(source).getParent());
            Files.writeString(checkout.resolve(source), "a source");
        }
        Files.writeString(checkout.resolve("src/main/python/pyproject.toml"), "what it needs");
        Path libtorch = Files.createDirectories(folder.resolve("torch/lib"));
        Files.writeString(libtorch.resolve("libtorch_cuda.so"), "a library");
        Scripts.write(programs.resolve("g++"), "echo 'g++ 13'");
        Scripts.write(programs.resolve("cmake"), """
                echo "cmake $1" >>'%s'
                case $1 in
                  -S) mkdir -p "$4" ;;
                  --build) echo 'a library' >"$2/libdarkroom_operators.so" ;;
                esac
                """.formatted(calls));
        Scripts.write(programs.resolve("python3"), """
                shift_to() { while [ "$1" != "$option" ]; do shift; done; value=$2; }
                case "$1 $2" in
                  -c*) echo "python=3.11.9 ensurepip=True headers="; exit ;;
                  *) echo "python $2 $3" >>'%1$s' ;;
                esac
                if [ -e '%2$s/fails' ] && [ "$2" = "$(cat '%2$s/fails')" ]; then
                  echo 'a line before'; echo 'ERROR: it is as it is'; exit 3
                fi
                case $2 in
                  venv) mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
                  pip) echo 'Downloading torch (821 MB)' ;;
                  darkroom_bundle.environment)
                    echo '{"torch": "2.7.1+cu126", "library": "%2$s/torch/lib", "architecture": "cpu"}' ;;
                  darkroom_bundle.hub)
                    option=--out; shift_to "$@"
                    for part in unet text_encoder vae tiny_vae; do
                      mkdir -p "$value/$part"; [ -e "$value/$part/config.json" ] || echo '{}' >"$value/$part/config.json"
                    done
                    echo '{"name": "sd", "source": "studio/sd at 0123"}' ;;
                  darkroom_bundle)
                    option=$([ "$3" = compile ] && echo --out || echo --bundle); shift_to "$@"
                    echo "PYTHONPATH=$PYTHONPATH CXX=$CXX compiled with: $*"
                    cp -R '%3$s'/src/test/resources/golden/pictures/bundle/. "$value"
                    echo '  16.3 s  2 packages to compile for cpu, 0 kept'
                    [ ! -e '%2$s/cut' ] || { echo 'cut off'; exit 137; }
                    mkdir -p "$value/compiled/cpu"
                    echo '{"format": 2, "architecture": "cpu", "torchVersion": "2.7.1", "modules": {}, "graphs": []}' \\
                      >"$value/compiled/cpu/packages.json" ;;
                esac
                """.formatted(calls, folder, Path.of("").toAbsolutePath()));
    }

    @Test
    void everyStepIsShownAndKeptUntilWhatItWasDoneFromChangesAndTheImageIsTheJudge() throws Exception {
        Run run = setUp();

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).containsSubsequence(
                "log         " + checkout + "/.darkroom/gpu/setup.log",
                "gpu         none: on the CPU",
                "compiler    ",
                "python      " + programs + "/python3 3.11.9; installing torch 2.7.1 and what compiling needs into ",
                "python      " + checkout + "/.darkroom/gpu/venv/bin/python: torch 2.7.1+cu126",
                "operators   " + checkout + "/.darkroom/gpu/operators/libdarkroom_operators.so, built in ",
                "checkpoint  studio/sd at 0123",
                "bundle      compiling into " + checkout + "/.darkroom/gpu/bundle",
                "16.3 s  2 packages to compile for cpu, 0 kept",
                "bundle      compiled in ",
                "darkroom: check failed: no image was drawn. torch cannot be loaded: ",
                "All of the output: " + checkout + "/.darkroom/gpu/setup.log");
        assertThat(calls()).containsExactly("python venv --clear", "python pip install", ASKS, "cmake -S", "cmake --build",
                "python darkroom_bundle.hub --model", COMPILES);
        assertThat(Files.readString(checkout.resolve(".darkroom/gpu/setup.log"))).contains(
                "Downloading torch (821 MB)", "PYTHONPATH=" + checkout + "/src/main/python CXX=/");
        assertThat(checkout.resolve(".darkroom/gpu/environment")).doesNotExist();

        List<String> first = calls();
        assertThat(setUp().output()).contains("libdarkroom_operators.so (kept)", "checkpoint  studio/sd at 0123 (kept)",
                "bundle: sd for cpu (kept)");
        assertThat(callsSince(first)).containsExactly(ASKS);

        List<String> before = calls();
        Files.writeString(checkout.resolve("src/main/cpp/operators.cpp"), "another source");
        Files.writeString(checkout.resolve("src/main/python/darkroom_bundle/packages.py"), "another source");
        setUp();
        assertThat(callsSince(before)).containsExactly(ASKS, "cmake -S", "cmake --build", COMPILES);

        before = calls();
        Files.writeString(checkout.resolve(".darkroom/gpu/bundle/unet.pt"), "damaged");
        setUp();
        assertThat(callsSince(before)).containsExactly(ASKS, COMPILES);

        before = calls();
        setUp("--again");
        assertThat(callsSince(before)).isEqualTo(first);
    }

    @Test
    void whatTheBundleMayHaveBeyondTheRestIsCompiledIn() throws Exception {
        endAtTheBundle();
        setUp("--tokens", "77,154", "--safety");

        assertThat(calls()).endsWith("python darkroom_bundle.hub --model", COMPILES);
        assertThat(Files.readString(checkout.resolve(".darkroom/gpu/setup.log"))).contains("--tokens 77,154 --safety");
    }

    @Test
    void tokensThatAreNoMultiplesOf77AreRefused() throws Exception {
        Run run = setUp("--tokens", "77,100");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.output())
                .contains("--tokens is 77,100; it must be multiples of 77 up to 616, separated by commas, as 77,154");
        assertThat(calls).doesNotExist();
    }

    @Test
    void aCompilationThatWasCutOffGoesOnFromItsModules() throws Exception {
        endAtTheBundle();
        assertThat(setUp().output()).contains("bundle failed with exit code 137: \n").contains("cut off");
        Files.delete(folder.resolve("cut"));
        List<String> before = calls();

        Run run = setUp();

        assertThat(run.output()).contains("bundle      compiling what is missing in " + checkout + "/.darkroom/gpu/bundle");
        assertThat(callsSince(before)).containsExactly(ASKS, "python darkroom_bundle packages");
    }

    @Test
    void aBundleOfTheUsersIsNotOverwritten() throws Exception {
        Path mine = Files.createDirectories(folder.resolve("mine"));
        Files.writeString(mine.resolve("bundle.json"), "{}");

        Run run = setUp("--bundle", mine.toString());

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains(
                "darkroom: " + mine + " holds a bundle that `gpu setup` did not make. Name another folder with --bundle.");
        assertThat(mine.resolve("bundle.json")).hasContent("{}");
    }

    @Test
    void anInstallationThatFailsIsToldWithTheWayRoundIt() throws Exception {
        Files.writeString(folder.resolve("fails"), "pip");

        Run run = setUp();

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains("darkroom: python failed with exit code 3: it is as it is\nAll of its output: "
                + checkout + "/.darkroom/gpu/setup.log\n"
                + "Where no package index is reached, name a Python that has torch 2.7.1 with --python.");
        Files.delete(folder.resolve("fails"));
        endAtTheBundle();
        List<String> before = calls();
        setUp();
        assertThat(callsSince(before)).startsWith("python venv --clear", "python pip install", ASKS);
    }

    @Test
    void aPythonThatIsNamedIsUsedAsItIs() throws Exception {
        Path python = programs.resolve("python3");
        endAtTheBundle();

        Run run = setUp("--python", python.toString());

        assertThat(run.output()).contains("python      " + python + ": torch 2.7.1+cu126");
        assertThat(calls()).startsWith(ASKS, "cmake -S");
    }

    @Test
    void withoutAGpuItEndsAtOnce() throws Exception {
        Run run = run("gpu", "setup", "--device", "99");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.output()).contains("darkroom: The device cuda:99 is selected, but this machine has ")
                .contains("Install NVIDIA's driver");
        assertThat(calls).doesNotExist();
    }

    /** Compiling the bundle is cut off, and no image is drawn to check it. */
    private void endAtTheBundle() throws IOException {
        Files.writeString(folder.resolve("cut"), "");
    }

    private Run setUp(String... options) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("gpu", "setup", "--device", "cpu"));
        arguments.addAll(List.of(options));
        return run(arguments.toArray(String[]::new));
    }

    private Run run(String... arguments) throws Exception {
        return Run.of(checkout, Map.of("PATH", programs + ":/usr/bin:/bin"), arguments);
    }

    private List<String> callsSince(List<String> before) throws IOException {
        List<String> all = calls();
        return all.subList(before.size(), all.size());
    }

    private List<String> calls() throws IOException {
        try (Stream<String> lines = Files.lines(calls, StandardCharsets.UTF_8)) {
            return lines.toList();
        }
    }
}
