package dev.darkroom.worker.deliver;

import dev.darkroom.contract.Adapter;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.ImageFormat;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.worker.image.ImageParameters;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;

/**
 * What images were made from, in the terms of events and of image files. The worker and the command {@code generate} say
 * it alike.
 *
 * @param profile name of the profile
 * @param parameters as resolved
 * @param model what generated
 * @param marked whether files and events say that a model generated the images
 */
public record Provenance(String profile, GenerationParameters parameters, ModelDescription model, boolean marked) {

    /**
     * The parameters of an event.
     *
     * @param first the first image
     * @param count how many images there are, seeds counting up
     * @param truncated whether a prompt was cut
     */
    public Completed.Parameters parameters(ImagePrompt first, int count, ImageFormat format, boolean truncated) {
        return new Completed.Parameters(first.prompt(), first.negativePrompt(), first.syntax().label(), profile,
                parameters.width(), parameters.height(), parameters.steps(), parameters.scheduler().label(),
                new Completed.Guidance(parameters.guidanceScale(), parameters.guidanceCutoff()),
                parameters.decoder().label(),
                parameters.adapters().stream().map(adapter -> new Adapter(adapter.name(), adapter.scale())).toList(),
                first.seed(), count, new Completed.Output(format), truncated);
    }

    /** The device's memory in an event; empty on a CPU. */
    public static Optional<Completed.Vram> vram(GenerationResult result) {
        return result.memory().map(memory -> new Completed.Vram(memory.peakAllocated(), memory.peakReserved(),
                memory.deviceUsed(), memory.deviceTotal()));
    }

    /** The time of a switch of adapters in an event, in milliseconds; empty if there was none. */
    public static OptionalDouble adapterSwitch(GenerationResult result) {
        return result.adapterSwitch().stream().mapToDouble(Completed.Timings::milliseconds).findFirst();
    }

    /** What generated a batch, in an event. */
    public Completed.Model model(GenerationResult result) {
        return new Completed.Model(model.bundle(), model.digest(), model.device(), model.engine(), result.compiled());
    }

    /** How images of a prompt came about, for events and XMP; empty where they are not marked. */
    public Optional<Completed.Provenance> mark(String prompt) {
        return marked ? Optional.of(Completed.Provenance.ofPrompt(prompt)) : Optional.empty();
    }

    /**
     * The parameters that an image file carries.
     *
     * @param more further values by name, written last
     */
    public ImageParameters image(ImagePrompt image, Map<String, String> more) {
        Map<String, String> others = new LinkedHashMap<>();
        others.put("Guidance cutoff", Double.toString(parameters.guidanceCutoff()));
        others.put("Decoder", parameters.decoder().label());
        others.put("Profile", profile);
        if (!parameters.adapters().isEmpty()) {
            others.put("Adapters", parameters.adapters().stream().map(LoraAdapter::toString).collect(Collectors.joining(" ")));
        }
        mark(image.prompt()).ifPresent(mark -> others.put("Digital source type", mark.digitalSourceType()));
        others.putAll(more);
        return new ImageParameters(image.prompt(), image.negativePrompt(), parameters.steps(),
                parameters.scheduler().sampler(), parameters.guidanceScale(), image.seed(), parameters.width(),
                parameters.height(), model.digest(), model.bundle(), others);
    }
}
