package dev.darkroom.tools.gpu;

import dev.darkroom.tools.CommandException;
import dev.darkroom.torch.CudaDriver;
import dev.darkroom.torch.DeviceException;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What {@code gpu setup} has to find on the machine, for it installs nothing outside of the checkout. Whatever is missing is a
 * {@link CommandException} that says what to do.
 *
 * @param path folders in which programs are looked for
 * @param compiler the C++ compiler that everything is compiled with
 */
record Machine(List<Path> path, Path compiler) {

    private static final Pattern PYTHON_ANSWER = Pattern.compile("python=(\\d+)\\.(\\d+)\\.(\\d+) ensurepip=(\\w+) headers=(.*)");
    /** Those for which torch 2.7.1 has wheels and Darkroom has code: 3.11 to 3.13. */
    private static final int OLDEST_PYTHON = 11;
    private static final int NEWEST_PYTHON = 13;
    private static final String ASK_PYTHON = """
            import importlib.util, os, sys, sysconfig
            found = lambda name: importlib.util.find_spec(name) is not None
            header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
            print("python=%d.%d.%d" % sys.version_info[:3], "ensurepip=%s" % (found("venv") and found("ensurepip")),
                  "headers=%s" % ("" if os.path.exists(header) else header))
            """;

    /** CUDA 12's libraries run on every driver for CUDA 12, this being the first; 525.60 is its version. */
    private static final int OLDEST_CUDA = 12_000;
    /** What Triton compiles for. */
    private static final int OLDEST_CAPABILITY = 7;
    /** What PyPI's torch 2.7.1 has code for. */
    private static final int NEWEST_CAPABILITY = 9;
    private static final long GIGABYTE = 1_000_000_000;

    /**
     * This machine. Its own GCC comes before another that is first on the PATH or named in CXX, which may link the C++ runtime
     * into every library; those crash where two of them meet.
     */
    static Machine here() {
        List<Path> path = Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
                .filter(folder -> !folder.isEmpty()).map(Path::of).toList();
        Path own = Path.of("/usr/bin/g++");
        return new Machine(path, Files.isExecutable(own) ? own : find(path, "g++").orElse(own));
    }

    /**
     * A GPU that can be set up.
     *
     * @param ownTorch whether a torch of the user's will be used, which may have code for newer GPUs than PyPI's
     */
    static CudaDriver.Gpu gpu(int index, boolean ownTorch) {
        CudaDriver.Gpu gpu;
        try {
            gpu = CudaDriver.gpu(index);
        } catch (DeviceException e) {
            throw new CommandException(e.getMessage()
                    + " Install NVIDIA's driver, 525.60 or later, and see that `nvidia-smi` lists the GPU.", e);
        }
        require(gpu, ownTorch);
        return gpu;
    }

    static void require(CudaDriver.Gpu gpu, boolean ownTorch) {
        if (gpu.cuda() < OLDEST_CUDA) {
            throw new CommandException("The driver of %s runs CUDA up to %s; torch %s needs 12.0. Install driver 525.60 or later."
                    .formatted(gpu.name(), gpu.cudaVersion(), GpuSettings.TORCH));
        }
        if (gpu.major() < OLDEST_CAPABILITY) {
            throw new CommandException("%s has compute capability %s; graphs are compiled for 7.0 and later."
                    .formatted(gpu.name(), gpu.computeCapability()));
        }
        if (gpu.major() > NEWEST_CAPABILITY && !ownTorch) {
            throw new CommandException(("%s has compute capability %s, for which PyPI's torch %s has no code. Name a Python with "
                    + "--python whose torch %s was built for it, as PyTorch's own cu128 wheels are.")
                    .formatted(gpu.name(), gpu.computeCapability(), GpuSettings.TORCH, GpuSettings.TORCH));
        }
    }

    /** The first line of what the compiler says of itself. */
    String askCompiler() {
        if (!Files.isExecutable(compiler)) {
            throw new CommandException("There is no %s. Install GCC: `apt install g++`, or `dnf install gcc-c++`."
                    .formatted(compiler));
        }
        List<String> said = new ArrayList<>();
        if (Program.of(compiler.toString(), "--version").run(said::add) != 0 || said.isEmpty()) {
            throw new CommandException("%s --version fails: %s".formatted(compiler, String.join(" ", said)));
        }
        return said.get(0);
    }

    /** A Python of which a virtual environment can be made that compiles. */
    Python python() {
        List<String> others = new ArrayList<>();
        for (String name : List.of("python3", "python3.13", "python3.12", "python3.11")) {
            Optional<Path> found = find(name);
            if (found.isEmpty()) {
                continue;
            }
            Optional<Python> python = Python.ask(found.get());
            if (python.isPresent() && python.get().fits()) {
                python.get().requireParts();
                return python.get();
            }
            python.ifPresent(other -> others.add(name + " is " + other.version()));
        }
        throw new CommandException("Python 3.11, 3.12 or 3.13 is needed, with its venv and headers%s. Install one, as with "
                .formatted(others.isEmpty() ? "; there is none on the PATH" : ": " + String.join(", ", others))
                + "`apt install python3 python3-venv python3-dev`, or name a Python that has torch with --python.");
    }

    /** A program on the PATH. */
    Optional<Path> find(String program) {
        return find(path, program);
    }

    private static Optional<Path> find(List<Path> path, String program) {
        return path.stream().map(folder -> folder.resolve(program)).filter(Files::isExecutable).findFirst();
    }

    /** @param what that the room is needed for */
    static void requireRoom(Path folder, long gigabytes, String what) {
        try {
            long free = Files.getFileStore(folder).getUsableSpace() / GIGABYTE;
            if (free < gigabytes) {
                throw new CommandException("%s takes %d GB, and there are %d GB free in %s. Make room there."
                        .formatted(what, gigabytes, free, folder));
            }
        } catch (IOException e) {
            throw new CommandException(folder + " cannot be looked at: " + e.getMessage(), e);
        }
    }

    /**
     * A Python interpreter.
     *
     * @param minor the 11 of 3.11.7
     * @param missingHeader {@code Python.h} where it should be and is not; else empty
     */
    record Python(Path executable, String version, int minor, boolean makesEnvironments, String missingHeader) {

        private static Optional<Python> ask(Path executable) {
            List<String> said = new ArrayList<>();
            Program.of(executable.toString(), "-c", ASK_PYTHON).run(said::add);
            return said.stream().map(PYTHON_ANSWER::matcher).filter(Matcher::matches).findFirst().map(answer -> new Python(
                    executable, "%s.%s.%s".formatted(answer.group(1), answer.group(2), answer.group(3)),
                    answer.group(1).equals("3") ? Integer.parseInt(answer.group(2)) : 0, answer.group(4).equals("True"),
                    answer.group(5)));
        }

        private boolean fits() {
            return minor >= OLDEST_PYTHON && minor <= NEWEST_PYTHON;
        }

        private void requireParts() {
            if (!makesEnvironments) {
                throw new CommandException("%s (%s) cannot make virtual environments: `apt install python3-venv`."
                        .formatted(executable, version));
            }
            if (!missingHeader.isEmpty()) {
                throw new CommandException("%s is missing, which Triton needs: `apt install python3-dev`, or `dnf install "
                        .formatted(missingHeader) + "python3-devel`.");
            }
        }
    }
}
