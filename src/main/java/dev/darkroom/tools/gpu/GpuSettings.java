package dev.darkroom.tools.gpu;

import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.Home;
import dev.darkroom.torch.DeviceSelection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a process needs in its environment to run compiled. The launcher reads it from {@link #FILE}.
 *
 * @param libtorch folder of {@code libtorch_cuda.so}
 * @param operators the operators' library
 */
record GpuSettings(Path libtorch, Path operators, Path bundle, DeviceSelection device) {

    /** In the checkout; lines of NAME=value, taken as they are, after the command that made it. */
    static final String FILE = ".darkroom/gpu/environment";

    private static final String COMMAND = "# ";

    /** What DJL's published bindings for CUDA are made for. */
    static final String TORCH = "2.7.1";
    private static final String CUDA_FLAVOR = "cu128";

    Map<String, String> variables() {
        Map<String, String> variables = new LinkedHashMap<>();
        variables.put("PYTORCH_LIBRARY_PATH", libtorch.toString());
        variables.put("PYTORCH_VERSION", TORCH);
        // A libtorch with CUDA is a libtorch for the CPU as well; the bindings for CUDA would not load without a driver
        variables.put("PYTORCH_FLAVOR", device.isCpu() ? "cpu" : CUDA_FLAVOR);
        variables.put("PYTORCH_EXTRA_LIBRARY_PATH", operators.toString());
        variables.put("DARKROOM_BUNDLE", bundle.toString());
        variables.put("DARKROOM_DEVICE_INDEX", String.valueOf(device.index()));
        return variables;
    }

    /** What the file says; empty where there is none. */
    static Map<String, String> written() {
        Map<String, String> variables = new LinkedHashMap<>();
        try {
            Files.readAllLines(Home.resolve(FILE)).stream().filter(line -> !line.startsWith(COMMAND)).forEach(line -> {
                String[] setting = line.split("=", 2);
                variables.put(setting[0], setting[setting.length - 1]);
            });
        } catch (NoSuchFileException e) {
            return Map.of();
        } catch (IOException e) {
            throw new CommandException(FILE + " cannot be read: " + e.getMessage(), e);
        }
        return variables;
    }

    /** The command that wrote the file. */
    static Optional<String> command() {
        try (Stream<String> lines = Files.lines(Home.resolve(FILE))) {
            return lines.filter(line -> line.startsWith(COMMAND)).map(line -> line.substring(COMMAND.length())).findFirst();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /**
     * Writes the file at once: a launcher that reads it meanwhile finds the old one or the new one.
     *
     * @param command that makes all of it
     */
    void write(Path file, String command) {
        Path next = file.resolveSibling("environment.next");
        try {
            Files.writeString(next, COMMAND + command + "\n" + variables().entrySet().stream()
                    .map(variable -> variable.getKey() + "=" + variable.getValue() + "\n").collect(Collectors.joining()));
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new CommandException(file + " cannot be written: " + e.getMessage(), e);
        }
    }
}
