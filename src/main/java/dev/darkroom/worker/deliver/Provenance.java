package dev.darkroom.worker.deliver;

import dev.darkroom.contract.Adapter;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.ImageFormat;
import dev.darkroom.contract.Safety;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.worker.image.ImageParameters;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
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
                Optional.empty(), Optional.empty(), first.seed(), count, new Completed.Output(format), truncated,
                OptionalInt.of(model.tokens(parameters)));
    }

    /**
     * How images were made, as far as an event tells it.
     *
     * @param timings without the upload, as long as there was none
     * @param vram the device's memory; empty on a CPU
     * @param model what generated
     * @param promptTruncated whether a prompt was cut
     * @param marked whether the files say that a model generated the images
     */
    public record Making(Completed.Timings timings, Optional<Completed.Vram> vram, Completed.Model model,
            boolean promptTruncated, boolean marked) {

        /** The same, now that the files are stored. */
        public Making stored(Duration upload, Duration total) {
            return new Making(timings.stored(upload, total), vram, model, promptTruncated, marked);
        }
    }

    /**
     * How some images of a batch were made.
     *
     * @param queueWait from the record's timestamp to the start of the batch
     * @param encoding from pixels to files
     */
    public Making making(List<GeneratedImage> images, GenerationResult result, Duration queueWait, Duration encoding) {
        return new Making(
                new Completed.Timings(
                        Completed.Timings.milliseconds(queueWait),
                        result.adapterSwitch().stream().mapToDouble(Completed.Timings::milliseconds).findFirst(),
                        Completed.Timings.milliseconds(result.textEncoding()),
                        result.sourceEncoding().stream().mapToDouble(Completed.Timings::milliseconds).findFirst(),
                        Completed.Timings.milliseconds(result.denoising()),
                        Completed.Timings.milliseconds(result.decoding()),
                        result.safetyCheck().stream().mapToDouble(Completed.Timings::milliseconds).findFirst(),
                        Completed.Timings.milliseconds(encoding),
                        0,
                        0,
                        result.steps(),
                        result.batchSize()),
                result.memory().map(memory -> new Completed.Vram(memory.peakAllocated(), memory.peakReserved(),
                        memory.deviceUsed(), memory.deviceTotal())),
                new Completed.Model(model.bundle(), model.digest(), model.device(), model.engine(), result.compiled()),
                images.stream().anyMatch(GeneratedImage::promptTruncated),
                marked);
    }

    /** What the safety checker says of an image; empty where it was not asked. */
    public static Optional<Safety> safety(GeneratedImage image) {
        return image.safety().map(said -> new Safety(said.flagged(), said.score()));
    }

    /** How images of a prompt came about, for events and XMP; empty where they are not marked. */
    public Optional<Completed.Provenance> mark(String prompt) {
        return marked
                ? Optional.of(Completed.Provenance.ofPrompt(prompt, parameters.imageToImage().isPresent())) : Optional.empty();
    }

    /**
     * The parameters that an image file carries.
     *
     * @param more further values by name, written last
     */
    public ImageParameters image(ImagePrompt image, Map<String, String> more) {
        Map<String, String> others = new LinkedHashMap<>();
        // As AUTOMATIC1111's web UI calls it
        parameters.imageToImage().ifPresent(start ->
                others.put("Denoising strength", Double.toString(start.strength())));
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
