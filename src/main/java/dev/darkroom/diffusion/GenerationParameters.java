package dev.darkroom.diffusion;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Everything that images must share to be denoised in one batch. Prompts and seeds differ inside a batch; these do not.
 *
 * @param width image width in pixels, one of the bundle's sizes together with {@code height}
 * @param height image height in pixels
 * @param steps number of inference steps, from 1 to what the scheduler goes by at most. Of images that start from pictures
 *     only the last ones run, see {@link #stepsToRun()}
 * @param scheduler the scheduler that leads from noise to latents
 * @param guidanceScale classifier-free guidance scale, diffusers' {@code guidance_scale}; 1 or less means no guidance at all
 * @param guidanceCutoff fraction of the steps, 0 to 1, after which the unconditional branch is dropped; 1 never drops it
 * @param decoder which decoder turns latents into pixels
 * @param compiled whether compiled packages are used where the bundle has them for the device at hand
 * @param adapters what is added to the weights, by name; at most {@value #MOST_ADAPTERS}
 * @param imageToImage how images start from pictures; empty if they start from noise
 * @param textChunks how many texts of the text encoder's length a prompt is read as, the embeddings joined; 1 is what Stable
 *     Diffusion was trained on
 */
public record GenerationParameters(
        int width,
        int height,
        int steps,
        SchedulerName scheduler,
        double guidanceScale,
        double guidanceCutoff,
        DecoderName decoder,
        boolean compiled,
        List<LoraAdapter> adapters,
        Optional<ImageToImage> imageToImage,
        int textChunks) {

    public static final int MOST_ADAPTERS = 3;

    /** @throws UnsupportedParametersException for values that no model offers, with the request's name of the field */
    public GenerationParameters {
        if (steps < 1 || steps > scheduler.mostSteps()) {
            throw new UnsupportedParametersException("steps", "steps is " + steps + "; with the scheduler "
                    + scheduler.label() + " it must be from 1 to " + scheduler.mostSteps() + ".");
        }
        if (!Double.isFinite(guidanceScale) || guidanceScale < 0) {
            throw new UnsupportedParametersException("guidance.scale",
                    "guidance.scale is " + guidanceScale + "; it must be a number from 0.");
        }
        if (!(guidanceCutoff >= 0 && guidanceCutoff <= 1)) {
            throw new UnsupportedParametersException("guidance.cutoff",
                    "guidance.cutoff is " + guidanceCutoff + "; it must be from 0 to 1.");
        }
        if (imageToImage.isPresent() && imageToImage.get().steps(steps) < 1) {
            throw new UnsupportedParametersException("image.strength", "image.strength is " + imageToImage.get().strength()
                    + " and steps is " + steps + ", of which not one step would run; their product must be at least 1.");
        }
        if (textChunks < 1) {
            throw new IllegalArgumentException("A prompt is read as " + textChunks + " texts; there must be at least one.");
        }
        // The sum is the same in any order, but for its rounding
        adapters = adapters.stream().sorted(Comparator.comparing(LoraAdapter::name)).toList();
        if (adapters.size() > MOST_ADAPTERS) {
            throw new UnsupportedParametersException("adapters", "There are " + adapters.size() + " adapters, "
                    + names(adapters) + ", those of the profile among them; at most " + MOST_ADAPTERS + " may be used at once.");
        }
        if (adapters.stream().map(LoraAdapter::name).distinct().count() < adapters.size()) {
            throw new UnsupportedParametersException("adapters",
                    "An adapter is named twice: " + names(adapters) + ".");
        }
    }

    /** Parameters of images that start from noise. */
    public GenerationParameters(int width, int height, int steps, SchedulerName scheduler, double guidanceScale,
            double guidanceCutoff, DecoderName decoder, boolean compiled, List<LoraAdapter> adapters) {
        this(width, height, steps, scheduler, guidanceScale, guidanceCutoff, decoder, compiled, adapters, Optional.empty(), 1);
    }

    /** Parameters without adapters. */
    public GenerationParameters(int width, int height, int steps, SchedulerName scheduler, double guidanceScale,
            double guidanceCutoff, DecoderName decoder, boolean compiled) {
        this(width, height, steps, scheduler, guidanceScale, guidanceCutoff, decoder, compiled, List.of());
    }

    private static String names(List<LoraAdapter> adapters) {
        return adapters.stream().map(LoraAdapter::name).collect(Collectors.joining(", "));
    }

    /** Width and height. */
    public ImageSize size() {
        return new ImageSize(width, height);
    }

    /** How many steps run: those of the strength, where images start from pictures. */
    public int stepsToRun() {
        return imageToImage.map(start -> start.steps(steps)).orElse(steps);
    }

    /** The same for images that start from pictures. */
    public GenerationParameters startingFrom(ImageToImage pictures) {
        return new GenerationParameters(width, height, steps, scheduler, guidanceScale, guidanceCutoff, decoder, compiled,
                adapters, Optional.of(pictures), textChunks);
    }

    /** The same for prompts that are read as so many texts. */
    public GenerationParameters readingTexts(int chunks) {
        return new GenerationParameters(width, height, steps, scheduler, guidanceScale, guidanceCutoff, decoder, compiled,
                adapters, imageToImage, chunks);
    }

    /** How many steps are guided, counted from the first: each runs the UNet on two embeddings an image. */
    public int guidedSteps() {
        return Guidance.of(this).guidedSteps();
    }
}
