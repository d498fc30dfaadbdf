package dev.darkroom.torch;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import java.util.List;

/**
 * Changes weights where they lie on the device, under the graphs that use them. On a GPU a change returns when the device was
 * told of it, not when it is done. For the generating thread only.
 *
 * @param onGpu whether the weights are on a GPU
 */
record WeightChanges(ScriptMethods methods, boolean onGpu) implements AutoCloseable {

    static final String MODULE = "adapters.pt";

    /**
     * One product that is added to rows of a weight.
     *
     * @param weight on the device, {@code [out, in, …]}
     * @param row the first row that is changed
     * @param up in the host's memory, {@code [rows, rank]}
     * @param down in the host's memory, {@code [rank, in]}; of a convolution {@code in} is all that a row has
     */
    record Product(PtNDArray weight, long row, PtNDArray up, PtNDArray down) {
    }

    /**
     * Host tensors where the device reads them fast: copies attached to {@code host}, in whose place the tensors are freed. On a
     * CPU they stay what they are.
     */
    NDList pageLocked(NDManager host, NDList tensors) {
        if (!onGpu) {
            return tensors;
        }
        try (tensors) {
            return methods.call("page_locked", locked -> list(locked, host), IValue.listFrom(array(tensors)));
        }
    }

    /** Copies of weights in the host's memory, page-locked for a GPU, attached to {@code host}. */
    NDList copies(NDManager host, List<PtNDArray> weights) {
        return methods.call("copies", copies -> list(copies, host), IValue.listFrom(weights.toArray(PtNDArray[]::new)));
    }

    /** Makes weights what their copies are, bit by bit. */
    void restore(List<PtNDArray> weights, List<PtNDArray> copies) {
        methods.call("restore", nothing -> null, IValue.listFrom(weights.toArray(PtNDArray[]::new)),
                IValue.listFrom(copies.toArray(PtNDArray[]::new)));
    }

    /** Adds {@code scale} times each product. */
    void add(List<Product> products, double scale) {
        methods.call("add", nothing -> null,
                IValue.listFrom(products.stream().map(Product::weight).toArray(PtNDArray[]::new)),
                IValue.listFrom(products.stream().mapToLong(Product::row).toArray()),
                IValue.listFrom(products.stream().map(Product::up).toArray(PtNDArray[]::new)),
                IValue.listFrom(products.stream().map(Product::down).toArray(PtNDArray[]::new)),
                IValue.from(scale));
    }

    private static PtNDArray[] array(NDList tensors) {
        return tensors.stream().map(PtNDArray.class::cast).toArray(PtNDArray[]::new);
    }

    private static NDList list(IValue tensors, NDManager manager) {
        return new NDList(tensors.toTensorArray((PtNDManager) manager));
    }

    @Override
    public void close() {
        methods.close();
    }
}
