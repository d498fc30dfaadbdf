package dev.darkroom.torch;

import dev.darkroom.diffusion.ImageSize;
import java.util.Optional;

/**
 * What one compiled package is for: a module at one batch and size.
 *
 * @param module file of the module, as {@code unet.pt}
 * @param guided whether it is the denoising step with guidance, on two embeddings an image
 * @param batchSize images, or texts
 * @param size of the images; empty for the text encoder
 */
public record GraphKey(String module, boolean guided, int batchSize, Optional<ImageSize> size) {

    public static GraphKey textEncoder(int batchSize) {
        return new GraphKey(ModelBundle.TEXT_ENCODER, false, batchSize, Optional.empty());
    }

    public static GraphKey step(boolean guided, int batchSize, ImageSize size) {
        return new GraphKey(ModelBundle.UNET, guided, batchSize, Optional.of(size));
    }

    /** @param module a decoder or an encoder */
    public static GraphKey vae(String module, int batchSize, ImageSize size) {
        return new GraphKey(module, false, batchSize, Optional.of(size));
    }
}
