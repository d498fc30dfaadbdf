package dev.darkroom.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.Utils;
import dev.darkroom.diffusion.MemoryStatistics;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jboss.logging.Logger;

/**
 * The one device that this process computes on, and DJL's PyTorch engine on it. The engine is a native library that
 * is loaded once a process; it never reaches for the network. Only the generating thread may draw noise or run
 * modules.
 */
public final class ComputeDevice {

    static final String ENGINE = "PyTorch";

    private static final Logger LOG = Logger.getLogger(ComputeDevice.class);

    private final Engine engine;
    private final Device device;
    private final String description;
    private Optional<Operators> operators = Optional.empty();
    private String withoutOperators = "";
    private final Optional<Long> usedAtOpen;

    private ComputeDevice(Engine engine, Device device, String description) {
        this.engine = engine;
        this.device = device;
        this.description = description;
        try {
            operators = Optional.of(Operators.find(device));
        } catch (DeviceException e) {
            withoutOperators = e.getMessage();
        }
        try {
            usedAtOpen = memory().map(MemoryStatistics::deviceUsed);
        } catch (EngineException e) {
            // The first call that needs a CUDA context
            throw new DeviceException("The device " + description + " cannot be used: " + TorchErrors.sentence(e), e);
        }
    }

    /**
     * Finds the selected device and loads the engine.
     *
     * @throws DeviceException if the device is not there or not the required one, or the engine cannot be loaded
     */
    public static ComputeDevice open(DeviceSelection selection) {
        long start = System.nanoTime();
        String description = describe(selection);
        setDefault("ai.djl.offline", "true");
        // TorchScript's profiling executor makes no difference on a CPU; on a GPU it would fuse anew for every shape.
        setDefault("ai.djl.pytorch.graph_optimizer", "false");
        // ai.djl.pytorch.cudnn_benchmark stays off: each batch size that a module meets first would stop for a search, and
        // none of the compiled graphs gained by one.
        setDefault("ai.djl.pytorch.num_interop_threads", "1");
        // OpenMP's threads spin at every barrier: as many as there are cores stall as soon as anything else runs. Beside a
        // GPU the host draws noise alone, which is serial.
        int threads = selection.isCpu() ? Math.max(1, Runtime.getRuntime().availableProcessors() / 2) : 1;
        setDefault("ai.djl.pytorch.num_threads", String.valueOf(threads));
        Engine engine = loadEngine();
        Device device = selection.isCpu() ? Device.cpu() : Device.gpu(selection.index());
        ComputeDevice opened = new ComputeDevice(engine, device, description);
        LOG.infof("engine=loaded device=\"%s\" engine=\"%s\" operators=%s ms=%d", description, opened.engineName(),
                opened.operators.isPresent(), (System.nanoTime() - start) / 1_000_000);
        return opened;
    }

    private static Engine loadEngine() {
        try {
            return Engine.getEngine(ENGINE);
        } catch (EngineException e) {
            String library = Utils.getEnvOrSystemProperty(Operators.LIBRARY_SETTING);
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new DeviceException("torch cannot be loaded: " + cause.getMessage() + (library == null ? "" : " ("
                    + Operators.LIBRARY_SETTING + " is " + library
                    + "; it must name a library for this torch. Without it the worker runs uncompiled.)"), e);
        }
    }

    private static String describe(DeviceSelection selection) {
        if (selection.isCpu()) {
            selection.require().ifPresent(required -> {
                throw new DeviceException("A GPU whose name contains \"" + required
                        + "\" is required, but the CPU is selected.");
            });
            return "cpu";
        }
        String name = CudaDriver.gpu(selection.index()).name();
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

    /** A manager of tensors in the host's memory; closing it frees them. */
    NDManager newHostManager() {
        return engine.newBaseManager(Device.cpu());
    }

    /** What changes weights on this device. */
    WeightChanges weightChanges() {
        return new WeightChanges(ScriptMethods.load(WeightChanges.MODULE, device), device.isGpu());
    }

    /** Loads a TorchScript module onto this device. */
    public TorchModule load(Path file) {
        return TorchModule.load(file, device);
    }

    /**
     * A bundle's packages for this device.
     *
     * @throws BundleException if the bundle has none, or they are refused
     * @throws DeviceException if nothing here can run packages
     */
    public CompiledPackages packages(ModelBundle bundle) {
        if (!CompiledPackages.in(bundle)) {
            throw new BundleException("The bundle " + bundle.manifest().name() + " has no compiled packages.");
        }
        Operators present = operators.orElseThrow(() -> new DeviceException(withoutOperators));
        return CompiledPackages.read(bundle, present.architecture(), engineVersion());
    }

    /**
     * Loads a package onto this device. {@link #packages} has found it.
     *
     * @param module the package's module, whose weights it shares
     */
    public CompiledGraph load(CompiledPackages packages, GraphKey key, TorchModule module) {
        Operators present = operators.orElseThrow(() -> new DeviceException(withoutOperators));
        return new CompiledGraph(present, present.load(
                packages.file(key), packages.torchVersion(), packages.architecture(), module.weights()));
    }

    /** Frees every compiled graph of this process. */
    public void unloadGraphs() {
        operators.ifPresent(Operators::unload);
    }

    /**
     * Draws the noise of a batch, for each image as {@code torch.randn} does with
     * {@code torch.Generator("cpu").manual_seed(seed)}, one draw of {@code shape} after the other.
     *
     * @param seeds one an image
     * @param draws how many tensors of {@code shape} to draw for each
     * @param shape of one draw
     * @return float32 {@code [draws, seeds, …shape]} on this device, attached to {@code manager}
     */
    public NDArray drawNoise(NDManager manager, List<Long> seeds, int draws, Shape shape) {
        try (NDManager host = newHostManager()) {
            NDList images = new NDList();
            for (long seed : seeds) {
                // torch's CPU generator is an MT19937 that takes the low 32 bits of its seed, so an int loses nothing
                engine.setRandomSeed((int) seed);
                NDList noise = new NDList();
                for (int draw = 0; draw < draws; draw++) {
                    noise.add(host.randomNormal(0, 1, shape, DataType.FLOAT32));
                }
                images.add(NDArrays.stack(noise));
            }
            NDArray moved = NDArrays.stack(images, 1).toDevice(device, false);
            moved.attach(manager);
            return moved;
        }
    }

    /** Waits until everything that leads to this tensor has been computed. */
    public void await(NDArray tensor) {
        if (operators.isPresent()) {
            operators.get().synchronize();
        } else if (device.isGpu()) {
            tensor.flatten().get(0).getFloat();
        }
    }

    /** The memory of this device since the last call; empty on a CPU, and on a GPU without the operators' library. */
    public Optional<MemoryStatistics> memory() {
        return device.isGpu() ? operators.map(Operators::memory) : Optional.empty();
    }

    /**
     * Bytes that were in use on the whole device when this process had its CUDA context and had loaded nothing: what is used
     * beyond them is the process' own doing. Empty where {@link #memory} is.
     */
    public Optional<Long> usedAtOpen() {
        return usedAtOpen;
    }

    public boolean isGpu() {
        return device.isGpu();
    }
}
