package dev.darkroom.diffusion;


/**
 * Everything that images must share to be denoised in one batch. Prompts and seeds differ inside a batch; these do not.
 *
 * @param width image width in pixels, one of the bundle's sizes together with {@code height}
 * @param height image height in pixels
 * @param steps number of inference steps, from 1 to what the scheduler goes by at most
 * @param scheduler the scheduler that leads from noise to latents
 * @param guidanceScale classifier-free guidance scale, diffusers' {@code guidance_scale}; 1 or less means no guidance at all
 * @param guidanceCutoff fraction of the steps, 0 to 1, after which the unconditional branch is dropped; 1 never drops it
 * @param decoder which decoder turns latents into pixels
 * @param compiled whether compiled packages are used where the bundle has them for the device at hand
 */
public record GenerationParameters(
        int width,
        int height,
        int steps,
        SchedulerName scheduler,
        double guidanceScale,
        double guidanceCutoff,
        DecoderName decoder,
        boolean compiled) {

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
    }

    /** Width and height. */
    public ImageSize size() {
        return new ImageSize(width, height);
    }

    /** How many steps are guided, counted from the first: each runs the UNet on two embeddings an image. */
    public int guidedSteps() {
        return Guidance.of(this).guidedSteps();
    }
}
