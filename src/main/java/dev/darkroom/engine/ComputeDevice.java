package dev.darkroom.engine;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/**
 * The one device that this process computes on, and DJL's PyTorch engine on it. The engine is a native library that
 * is loaded once a process; it never reaches for the network. Only the generating thread may draw noise or run
 * modules.
 */
public final class ComputeDevice {

    private static final String ENGINE = "PyTorch";

    private final Engine engine;
    private final Device device;
    private final String description;

    private ComputeDevice(Engine engine, Device device, String description) {
        this.engine = engine;
        this.device = device;
        this.description = description;
    }

    /**
     * Finds the selected device and loads the engine.
     *
     * @throws DeviceException if the device is not there or not the required one
     */
    public static ComputeDevice open(DeviceSelection selection) {
        String description = describe(selection);
        setDefault("ai.djl.offline", "true");
        // TorchScript's profiling executor makes no difference on a CPU; on a GPU it would fuse anew for every shape.
        setDefault("ai.djl.pytorch.graph_optimizer", "false");
        setDefault("ai.djl.pytorch.num_interop_threads", "1");
        // OpenMP's threads spin at every barrier: as many as there are cores stall as soon as anything else runs.
        setDefault("ai.djl.pytorch.num_threads",
                String.valueOf(Math.max(1, Runtime.getRuntime().availableProcessors() / 2)));
        Engine engine = Engine.getEngine(ENGINE);
        Device device = selection.isCpu() ? Device.cpu() : Device.gpu(selection.index());
        return new ComputeDevice(engine, device, description);
    }

    private static String describe(DeviceSelection selection) {
        if (selection.isCpu()) {
            selection.require().ifPresent(required -> {
                throw new DeviceException("A GPU whose name contains \"" + required
                        + "\" is required, but the CPU is selected.");
            });
            return "cpu";
        }
        String name = CudaDriver.nameOf(selection.index());
        selection.require().ifPresent(required -> {
            if (!name.toLowerCase(Locale.ROOT).contains(required.toLowerCase(Locale.ROOT))) {
                throw new DeviceException("A GPU whose name contains \"" + required + "\" is required, but cuda:"
                        + selection.index() + " is " + name + ".");
            }
        });
        return "cuda:" + selection.index() + " " + name;
    }

    private static void setDefault(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    /** The device in words: {@code cpu}, or {@code cuda:0 NVIDIA A100-SXM4-80GB}. */
    public String description() {
        return description;
    }

    /** Version of torch, as {@code 2.7.1}. */
    public String engineVersion() {
        return engine.getVersion();
    }

    /** Engine and version, as {@code PyTorch 2.7.1}. */
    public String engineName() {
        return engine.getEngineName() + " " + engineVersion();
    }

    /** A manager of tensors on this device; closing it frees them. */
    public NDManager newManager() {
        return engine.newBaseManager(device);
    }

    /** Loads a TorchScript module onto this device. */
    public TorchModule load(Path file) {
        return TorchModule.load(file, device);
    }

    /**
     * Draws one image's noise as {@code torch.randn} does with {@code torch.Generator("cpu").manual_seed(seed)}, one
     * draw of {@code shape} after the other.
     *
     * @param draws how many tensors of {@code shape} to draw
     * @param shape of one draw
     * @return float32 {@code [draws, …shape]} on this device, attached to {@code manager}
     */
    public NDArray drawNoise(NDManager manager, long seed, int draws, Shape shape) {
        try (NDManager host = engine.newBaseManager(Device.cpu())) {
            // torch's CPU generator is an MT19937 that takes the low 32 bits of its seed, so an int loses nothing.
            engine.setRandomSeed((int) seed);
            NDArray[] noise = new NDArray[draws];
            for (int draw = 0; draw < draws; draw++) {
                noise[draw] = host.randomNormal(0, 1, shape, DataType.FLOAT32);
            }
            NDArray stacked = NDArrays.stack(new NDList(noise));
            NDArray moved = stacked.toDevice(device, false);
            moved.attach(manager);
            return moved;
        }
    }

    /** Waits until everything that leads to this tensor has been computed. */
    public void await(NDArray tensor) {
        if (device.isGpu()) {
            tensor.flatten().get(0).getFloat();
        }
    }

    /** The memory of this device since the last call; empty on a CPU, and where nothing on the GPU can tell. */
    public Optional<MemoryStatistics> memory() {
        return Optional.empty();
    }
}
