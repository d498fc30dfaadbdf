package dev.darkroom.torch;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.EngineException;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.function.Function;

/** A module of this package that has no weights, but methods: DJL calls modules and nothing else. */
final class ScriptMethods implements AutoCloseable {

    private final Model model;

    private ScriptMethods(Model model) {
        this.model = model;
    }

    /**
     * Loads the module of a resource.
     *
     * @throws EngineException if torch does not know what its methods call
     */
    static ScriptMethods load(String resource, Device device) {
        Model model = Model.newInstance(resource, device, ComputeDevice.ENGINE);
        try (InputStream module = ScriptMethods.class.getResourceAsStream(resource)) {
            model.load(module);
            return new ScriptMethods(model);
        } catch (EngineException e) {
            model.close();
            throw e;
        } catch (IOException | MalformedModelException e) {
            model.close();
            throw new DeviceException(resource + " cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * Calls a method.
     *
     * @param result takes what it returns, which is freed afterwards
     * @param arguments freed, too
     */
    <T> T call(String method, Function<IValue, T> result, IValue... arguments) {
        // For the calling thread: torch would otherwise profile the first runs of a method that has nothing to optimise
        JniUtils.setGraphExecutorOptimize(false);
        try (IValue returned = IValueUtils.runMethod((PtSymbolBlock) model.getBlock(), method, arguments)) {
            return result.apply(returned);
        } finally {
            Arrays.stream(arguments).forEach(IValue::close);
        }
    }

    @Override
    public void close() {
        model.close();
    }
}
