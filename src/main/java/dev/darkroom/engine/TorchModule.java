package dev.darkroom.engine;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import java.io.IOException;
import java.nio.file.Path;

/** A TorchScript module on a device. Only the generating thread may run it. */
public final class TorchModule implements AutoCloseable {

    private static final String ENGINE = "PyTorch";

    private final Model model;
    private final Block block;
    private final ParameterStore parameters;

    private TorchModule(Model model) {
        this.model = model;
        this.block = model.getBlock();
        this.parameters = new ParameterStore(model.getNDManager(), false);
    }

    static TorchModule load(Path file, Device device) {
        Model model = Model.newInstance(file.getFileName().toString(), device, ENGINE);
        try {
            model.load(file);
            return new TorchModule(model);
        } catch (IOException | MalformedModelException | RuntimeException e) {
            model.close();
            throw new BundleException("torch cannot load " + file + ": " + e.getMessage(), e);
        }
    }

    /**
     * Runs the module's {@code forward}.
     *
     * @return its outputs, attached to the manager of the first input
     */
    public NDList forward(NDArray... inputs) {
        return block.forward(parameters, new NDList(inputs), false);
    }

    @Override
    public void close() {
        model.close();
    }
}
