package dev.darkroom.torch;

import ai.djl.ndarray.NDList;

/** One of a bundle's modules on a device, in whatever form it runs. Only the generating thread may run it. */
public interface Network {

    /** In place of a row: the whole input. */
    int WHOLE = -1;

    /**
     * Runs the module's {@code forward}. On a GPU this returns when the device was told what to do, not when it is done.
     *
     * @param inputs the module's inputs, as {@code docs/bundle.md} gives them; the first one's manager gets the outputs
     * @param rows for each input the index, along its first dimension, of what to take of it, or {@link #WHOLE}
     * @return the outputs, valid until this network runs again: what is kept for longer has to be copied. They may be
     *     inputs of that next run
     */
    NDList run(NDList inputs, int... rows);

    /** Whether this is a package that was compiled for the device at hand. */
    boolean isCompiled();
}
