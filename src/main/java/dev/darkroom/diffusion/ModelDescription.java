package dev.darkroom.diffusion;

import java.util.List;
import java.util.Optional;

/**
 * What a generator runs and offers.
 *
 * @param bundle name of the model bundle
 * @param digest SHA-256 of the bundle's manifest, lower-case hex
 * @param device the device in words: {@code cpu}, or {@code cuda:0 NVIDIA A100-SXM4-80GB}
 * @param engine engine and version, as {@code PyTorch 2.7.1}
 * @param sizes image sizes on offer, the default first
 * @param batchSizes batch sizes on offer, ascending
 * @param uncompiled why no compiled packages run, a sentence; empty where they do
 */
public record ModelDescription(
        String bundle,
        String digest,
        String device,
        String engine,
        List<ImageSize> sizes,
        List<Integer> batchSizes,
        Optional<String> uncompiled) {

    /** Whether compiled packages run where they are asked for. */
    public boolean compiled() {
        return uncompiled.isEmpty();
    }

    /** The largest batch that can be run at once. */
    public int largestBatch() {
        return batchSizes.get(batchSizes.size() - 1);
    }

    /** The size of an image unless its request says otherwise. */
    public ImageSize defaultSize() {
        return sizes.get(0);
    }
}
