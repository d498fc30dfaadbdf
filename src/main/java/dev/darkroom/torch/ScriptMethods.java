package dev.darkroom.torch;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
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

    private final PtNDManager manager;
    private final PtSymbolBlock module;

    private ScriptMethods(PtNDManager manager, PtSymbolBlock module) {
        this.manager = manager;
        this.module = module;
    }

    /**
     * Loads the module of a resource.
     *
     * @throws EngineException if torch does not know what its methods call
     */
    static ScriptMethods load(String resource, Device device) {
        PtNDManager manager = (PtNDManager) NDManager.newBaseManager(device, ComputeDevice.ENGINE);
        try (InputStream stream = ScriptMethods.class.getResourceAsStream(resource)) {
            // DJL's Model would make a temporary folder for it, and leave that where the process is killed
            return new ScriptMethods(manager, JniUtils.loadModule(manager, stream, false, false));
        } catch (EngineException e) {
            manager.close();
            throw e;
        } catch (IOException e) {
            manager.close();
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
        try (IValue returned = IValueUtils.runMethod(module, method, arguments)) {
            return result.apply(returned);
        } finally {
            Arrays.stream(arguments).forEach(IValue::close);
        }
    }

    @Override
    public void close() {
        module.close();
        manager.close();
    }
}
