package dev.darkroom.torch;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Collectors;

/** A TorchScript module on a device. It takes any batch and size. */
public final class TorchModule implements Network, AutoCloseable {

    private final Model model;
    private final ParameterStore parameters;

    private TorchModule(Model model) {
        this.model = model;
        this.parameters = new ParameterStore(model.getNDManager(), false);
    }

    static TorchModule load(Path file, Device device) {
        Model model = Model.newInstance(file.getFileName().toString(), device, ComputeDevice.ENGINE);
        try {
            model.load(file);
            return new TorchModule(model);
        } catch (IOException | MalformedModelException | RuntimeException e) {
            model.close();
            throw new BundleException("torch cannot load " + file + ": " + TorchErrors.sentence(e), e);
        }
    }

    @Override
    public NDList run(NDList inputs, int... rows) {
        try (NDList taken = new NDList()) {
            NDList all = new NDList(inputs);
            for (int i = 0; i < rows.length; i++) {
                if (rows[i] != WHOLE) {
                    NDArray row = inputs.get(i).get(rows[i]);
                    taken.add(row);
                    all.set(i, row);
                }
            }
            return model.getBlock().forward(parameters, all, false);
        }
    }

    @Override
    public boolean isCompiled() {
        return false;
    }

    /** The module's weights where they lie on the device, by their names in the module. They live as long as it does. */
    Map<String, PtNDArray> weights() {
        return model.getBlock().getDirectParameters().stream().collect(
                Collectors.toMap(Pair<String, Parameter>::getKey, weight -> (PtNDArray) weight.getValue().getArray()));
    }

    @Override
    public void close() {
        model.close();
    }
}
