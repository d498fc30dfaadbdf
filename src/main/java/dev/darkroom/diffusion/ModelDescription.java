package dev.darkroom.diffusion;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What a generator runs and offers.
 *
 * @param bundle name of the model bundle
 * @param digest SHA-256 of the bundle's manifest, lower-case hex
 * @param device the device in words: {@code cpu}, or {@code cuda:0 NVIDIA A100-SXM4-80GB}
 * @param engine engine and version, as {@code PyTorch 2.7.1}
 * @param sizes image sizes on offer, the default first
 * @param batchSizes batch sizes on offer, ascending
 * @param textLengths tokens of prompts on offer, ascending: the text encoder's length, and how often it may be taken
 * @param fewSteps whether the weights, without an adapter, draw in few steps without guidance
 * @param adapters those on offer, by name
 * @param uncompiled why no compiled packages run, a sentence; empty where they do
 */
public record ModelDescription(
        String bundle,
        String digest,
        String device,
        String engine,
        List<ImageSize> sizes,
        List<Integer> batchSizes,
        List<Integer> textLengths,
        boolean fewSteps,
        List<AdapterDescription> adapters,
        Optional<String> uncompiled) {

    /** Whether compiled packages run where they are asked for. */
    public boolean compiled() {
        return uncompiled.isEmpty();
    }

    /** The names of the adapters on offer, in words. */
    public String adapterNames() {
        return adapters.isEmpty() ? "none"
                : adapters.stream().map(AdapterDescription::name).collect(Collectors.joining(", "));
    }

    /** Whether the weights draw in few steps without guidance, with these adapters added. */
    public boolean drawsInFewSteps(List<LoraAdapter> added) {
        return fewSteps || adapters.stream().anyMatch(adapter ->
                adapter.fewSteps() && added.stream().anyMatch(other -> other.name().equals(adapter.name())));
    }

    /**
     * Refuses a scheduler of few steps on weights that were not made for it: the images would be washed out.
     *
     * @param field of the request that asks for the scheduler
     * @throws UnsupportedParametersException if it does not go with the weights
     */
    public void requireWeightsFor(SchedulerName scheduler, List<LoraAdapter> added, String field) {
        if (scheduler.needsFewStepWeights() && !drawsInFewSteps(added)) {
            String offered = adapters.stream().filter(AdapterDescription::fewSteps).map(AdapterDescription::name)
                    .collect(Collectors.joining(", "));
            throw new UnsupportedParametersException(field, "The scheduler " + scheduler.label()
                    + " is for weights that were distilled for few steps, which those of the model " + bundle + " were not; "
                    + (offered.isEmpty() ? "it has no adapter that makes them so." : "adapters that make them so: " + offered
                    + "."));
        }
    }

    /** The largest batch that can be run at once. */
    public int largestBatch() {
        return batchSizes.get(batchSizes.size() - 1);
    }

    /** Tokens of each prompt, with start, end and padding. */
    public int tokens(GenerationParameters parameters) {
        return parameters.textChunks() * textLengths.get(0);
    }

    /** The size of an image unless its request says otherwise. */
    public ImageSize defaultSize() {
        return sizes.get(0);
    }
}
