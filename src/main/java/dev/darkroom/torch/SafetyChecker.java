package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import dev.darkroom.diffusion.Safety;
import java.util.ArrayList;
import java.util.List;

/**
 * The checkpoint's safety checker, its preprocessing included, on the pixels where they are. For the generating thread only.
 *
 * @param network the module
 */
record SafetyChecker(Network network) {

    /**
     * What it says of each image.
     *
     * @param pixels uint8 {@code [B, height, width, 3]}
     */
    List<Safety> check(NDArray pixels) {
        try (NDArray scores = network.run(new NDList(pixels), Network.WHOLE).singletonOrThrow()) {
            List<Safety> said = new ArrayList<>();
            for (float score : scores.toFloatArray()) {
                said.add(Safety.of(score));
            }
            return said;
        }
    }
}
