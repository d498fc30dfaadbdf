package dev.darkroom.torch;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDList;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.darkroom.diffusion.MemoryStatistics;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/**
 * The operators of {@code src/main/cpp}, on one device. {@code operators.pt} has a method for each. Only the generating thread
 * may call them.
 */
final class Operators {

    /** DJL's own setting, of the environment or of the system properties. */
    static final String LIBRARY_SETTING = "PYTORCH_EXTRA_LIBRARY_PATH";

    private static final String MODULE = "operators.pt";

    private final ScriptMethods methods;
    private final int device;

    private Operators(ScriptMethods methods, int device) {
        this.methods = methods;
        this.device = device;
    }

    /**
     * Finds the operators in the library that the engine has loaded.
     *
     * @throws DeviceException if there is no such library
     */
    static Operators find(Device device) {
        try {
            return new Operators(ScriptMethods.load(MODULE, device), device.isGpu() ? device.getDeviceId() : DeviceSelection.CPU);
        } catch (EngineException e) {
            throw new DeviceException("The operators' library is not loaded: " + LIBRARY_SETTING
                    + " must name libdarkroom_operators.so, built for the torch at hand (src/main/cpp).", e);
        }
    }

    /**
     * Loads a package.
     *
     * @param weights on the device, by their names in the package's module; kept alive until {@link #unload}
     * @return the handle of its graph
     */
    long load(Path file, String torchVersion, String architecture, Map<String, PtNDArray> weights) {
        return methods.call("load", IValue::toLong, IValue.from(file.toString()), IValue.from(torchVersion),
                IValue.from(architecture), IValue.stringMapFrom(weights), IValue.from(device));
    }

    /** Runs a graph, as {@link Network#run} says. */
    NDList run(long graph, NDList inputs, int... rows) {
        PtNDArray[] tensors = inputs.stream().map(PtNDArray.class::cast).toArray(PtNDArray[]::new);
        PtNDManager manager = tensors[0].getManager();
        return methods.call("run", outputs -> new NDList(outputs.toTensorArray(manager)), IValue.from(graph),
                IValue.listFrom(tensors), IValue.listFrom(Arrays.stream(rows).asLongStream().toArray()));
    }

    /** Frees every graph of this process. */
    void unload() {
        methods.call("unload", nothing -> null);
    }

    /** The GPU's memory since the last call. */
    MemoryStatistics memory() {
        long[] bytes = methods.call("memory", IValue::toLongArray, IValue.from(device));
        return new MemoryStatistics(bytes[0], bytes[1], bytes[2], bytes[3]);
    }

    /** Waits until the device has done all that it was given. */
    void synchronize() {
        methods.call("synchronize", nothing -> null, IValue.from(device));
    }

    /** {@code sm_90} for a GPU of compute capability 9.0, {@code cpu} for the CPU. */
    String architecture() {
        return methods.call("architecture", IValue::toStringValue, IValue.from(device));
    }
}
