package dev.darkroom.torch;

import java.util.Objects;
import java.util.Optional;

/**
 * The one device that a worker is pinned to.
 *
 * @param index CUDA index of the GPU, from 0; {@link #CPU} for the CPU
 * @param require what the GPU's name must contain, as {@code A100}; empty to take any. The letters' case is ignored
 */
public record DeviceSelection(int index, Optional<String> require) {

    /** The index that stands for the CPU. */
    public static final int CPU = -1;

    public DeviceSelection {
        Objects.requireNonNull(require, "require");
        if (index < CPU) {
            throw new IllegalArgumentException(
                    "The device's index is " + index + "; it must be -1 (the CPU) or a CUDA index from 0.");
        }
    }

    /** The CPU, whatever GPUs there are. */
    public static DeviceSelection cpu() {
        return new DeviceSelection(CPU, Optional.empty());
    }

    /** The GPU with this CUDA index, whatever its name. */
    public static DeviceSelection cuda(int index) {
        return new DeviceSelection(index, Optional.empty());
    }

    /** Whether this selects the CPU. */
    public boolean isCpu() {
        return index == CPU;
    }
}
