package dev.darkroom.torch;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.GenerationException;
import dev.darkroom.diffusion.StepCoefficients;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntFunction;
import org.jboss.logging.Logger;

/**
 * A bundle's networks on the device at hand, each loaded when it is first asked for: a compiled package where there is
 * one, the module otherwise. Graphs and module share one copy of the weights. For the generating thread only.
 */
final class Networks implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(Networks.class);

    private final ModelBundle bundle;
    private final ComputeDevice device;
    private final Map<String, TorchModule> modules = new HashMap<>();
    private final Map<GraphKey, CompiledGraph> graphs = new HashMap<>();
    private Optional<CompiledPackages> packages = Optional.empty();
    private volatile Optional<String> uncompiled = Optional.empty();
    private int tooLargeBatch = Integer.MAX_VALUE;

    Networks(ModelBundle bundle, ComputeDevice device) {
        this.bundle = bundle;
        this.device = device;
        try {
            packages = Optional.of(device.packages(bundle));
        } catch (BundleException | DeviceException e) {
            runUncompiled(e.getMessage());
        }
    }

    /** Why compiled packages are not used; empty where they are. Callable from any thread. */
    Optional<String> uncompiled() {
        return uncompiled;
    }

    /**
     * The network for a batch, ready to run.
     *
     * @param compiled whether a compiled package may be used
     */
    Network find(GraphKey key, boolean compiled) {
        if (compiled && offers(key)) {
            try {
                return graphs.computeIfAbsent(key, this::capture);
            } catch (DeviceMemoryException e) {
                makeRoom(key);
                throw e;
            } catch (DeviceFaultException e) {
                throw e;
            } catch (GenerationException e) {
                packages = Optional.empty();
                runUncompiled(e.getMessage());
            }
        }
        return module(key.module());
    }

    /** A module, whose weights all graphs of it use. */
    TorchModule module(String file) {
        return modules.computeIfAbsent(file, this::load);
    }

    /**
     * The bundle's batch sizes that there are compiled packages for.
     *
     * @param key the package at a batch size
     * @return ascending; empty if the module runs instead, at any batch size
     */
    List<Integer> compiledSizes(IntFunction<GraphKey> key) {
        return bundle.manifest().batchSizes().stream().filter(size -> offers(key.apply(size))).toList();
    }

    private boolean offers(GraphKey key) {
        return key.batchSize() < tooLargeBatch && packages.isPresent() && packages.get().graphs().containsKey(key);
    }

    /**
     * After a graph that found too little memory. What it took stays in the pool that all graphs share, which only goes
     * when they all go; those that are needed again are captured again. The batch size is not tried again, or every
     * batch would begin with it.
     */
    private void makeRoom(GraphKey key) {
        if (key.batchSize() > 1) {
            tooLargeBatch = Math.min(tooLargeBatch, key.batchSize());
        }
        graphs.clear();
        device.unloadGraphs();
    }

    private void runUncompiled(String reason) {
        uncompiled = Optional.of(reason);
        // Nobody compiles for a CPU; packages that are there and cannot be used are worth a word anywhere
        boolean expected = !device.isGpu() && !CompiledPackages.in(bundle);
        LOG.logf(expected ? Logger.Level.INFO : Logger.Level.WARN, "compiled=false device=\"%s\" reason=\"%s\"",
                device.description(), reason);
    }

    private TorchModule load(String file) {
        long start = System.nanoTime();
        TorchModule module = device.load(bundle.file(file));
        LOG.infof("module=loaded file=%s ms=%d", file, since(start));
        return module;
    }

    /** Loads a package and runs it once, so that what it cannot do shows here and not in the middle of a batch. */
    private CompiledGraph capture(GraphKey key) {
        CompiledPackages offered = packages.orElseThrow();
        TorchModule module = module(key.module());
        long start = System.nanoTime();
        try (NDManager manager = device.newManager()) {
            CompiledGraph graph = device.load(offered, key, module);
            long loaded = System.nanoTime();
            NDList inputs = zeros(manager, key);
            int[] rows = new int[inputs.size()];
            Arrays.fill(rows, Network.WHOLE);
            device.await(graph.run(inputs, rows).head());
            LOG.infof("graph=captured file=%s loadMs=%d captureMs=%d", offered.graphs().get(key).file(),
                    (loaded - start) / 1_000_000, since(loaded));
            return graph;
        } catch (RuntimeException e) {
            throw DeviceErrors.classify(e);
        }
    }

    /** Inputs of the right shapes, as {@code docs/bundle.md} gives them. */
    private NDList zeros(NDManager manager, GraphKey key) {
        BundleManifest manifest = bundle.manifest();
        long batch = key.batchSize();
        if (key.size().isEmpty()) {
            return new NDList(manager.zeros(new Shape(batch, manifest.textLength()), DataType.INT64));
        }
        Shape latents = new Shape(batch, manifest.latentChannels(),
                key.size().get().height() / manifest.latentScale(), key.size().get().width() / manifest.latentScale());
        if (key.module().equals(ModelBundle.VAE_ENCODER) || key.module().equals(ModelBundle.TINY_ENCODER)) {
            NDList inputs = new NDList(manager.zeros(
                    new Shape(batch, key.size().get().height(), key.size().get().width(), 3), DataType.UINT8));
            if (key.module().equals(ModelBundle.VAE_ENCODER)) {
                inputs.add(manager.zeros(latents));
            }
            return inputs;
        }
        if (!key.module().equals(ModelBundle.UNET)) {
            return new NDList(manager.zeros(latents));
        }
        Shape embeddings = new Shape(key.guided() ? 2 * batch : batch, key.tokens(), manifest.embeddingSize());
        return new NDList(manager.zeros(latents), manager.zeros(latents), manager.zeros(latents),
                manager.zeros(embeddings), manager.zeros(new Shape(StepCoefficients.COUNT)));
    }

    private static long since(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1_000_000;
    }

    @Override
    public void close() {
        if (!graphs.isEmpty()) {
            device.unloadGraphs();
        }
        modules.values().forEach(TorchModule::close);
    }
}
