package dev.darkroom.tools.gpu;

import dev.darkroom.cli.CommandException;
import dev.darkroom.cli.Home;
import dev.darkroom.engine.DeviceSelection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What a process needs in its environment to run compiled. The launcher reads it from {@link #FILE}.
 *
 * @param libtorch folder of {@code libtorch_cuda.so}
 * @param operators the operators' library
 */
record GpuSettings(Path libtorch, Path operators, Path bundle, DeviceSelection device) {

    /** In the checkout; lines of NAME=value, taken as they are. */
    static final String FILE = ".darkroom/gpu/environment";

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

    /** Writes the file at once: a launcher that reads it meanwhile finds the old one or the new one. */
    void write() {
        Path file = Home.resolve(FILE);
        Path next = file.resolveSibling("environment.next");
        try {
            Files.writeString(next, variables().entrySet().stream()
                    .map(variable -> variable.getKey() + "=" + variable.getValue() + "\n").collect(Collectors.joining()));
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new CommandException(file + " cannot be written: " + e.getMessage(), e);
        }
    }
}
