package dev.darkroom.tools.bench;

import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.ImageSize;

/**
 * What a device reaches in large float16 products, and the share of it that Stable Diffusion 1.5 uses. What it computes
 * was counted by torch's {@code FlopCounterMode}; a multiplication and an addition are two operations.
 *
 * @param teraflops 10^12 operations a second
 */
record ArithmeticCeiling(double teraflops) {

    /** The size of image that was counted. */
    static final ImageSize SIZE = new ImageSize(512, 512);

    private static final double UNET_MACS = 402e9;
    private static final double TEXT_ENCODER_MACS = 6.7e9;
    private static final double FULL_DECODER_MACS = 1257e9;
    private static final double TINY_DECODER_MACS = 71e9;

    /** The share of it, 0 to 1, in an image of {@link #SIZE} that took so many seconds. */
    double shareOfImage(GenerationParameters parameters, double seconds) {
        // Guided steps run the UNet twice; the empty negative prompt is encoded once and kept
        double macs = (parameters.stepsToRun() + parameters.guidedSteps()) * UNET_MACS + TEXT_ENCODER_MACS
                + (parameters.decoder() == DecoderName.FULL ? FULL_DECODER_MACS : TINY_DECODER_MACS);
        return share(macs, seconds);
    }

    /** The share of it, 0 to 1, in a denoising step that took so many seconds for a batch. */
    double shareOfStep(int batch, boolean guided, double seconds) {
        return share((guided ? 2 : 1) * batch * UNET_MACS, seconds);
    }

    private double share(double macs, double seconds) {
        return 2 * macs / seconds / (teraflops * 1e12);
    }
}
