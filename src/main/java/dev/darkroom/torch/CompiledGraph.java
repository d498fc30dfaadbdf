package dev.darkroom.torch;

import ai.djl.ndarray.NDList;

/**
 * A package that was compiled for this device and one batch and size; on a GPU a CUDA graph, captured at its first run.
 * It uses the weights of its module where they are.
 */
public final class CompiledGraph implements Network {

    private final Operators operators;
    private final long handle;

    CompiledGraph(Operators operators, long handle) {
        this.operators = operators;
        this.handle = handle;
    }

    @Override
    public NDList run(NDList inputs, int... rows) {
        return operators.run(handle, inputs, rows);
    }

    @Override
    public boolean isCompiled() {
        return true;
    }
}
