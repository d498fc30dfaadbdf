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
 * @param tokens of the embeddings that the denoising step takes; 0 for the others
 */
public record GraphKey(String module, boolean guided, int batchSize, Optional<ImageSize> size,
        int tokens) {

    public static GraphKey textEncoder(int batchSize) {
        return new GraphKey(ModelBundle.TEXT_ENCODER, false, batchSize, Optional.empty(), 0);
    }

    public static GraphKey step(boolean guided, int batchSize, ImageSize size, int tokens) {
        return new GraphKey(ModelBundle.UNET, guided, batchSize, Optional.of(size), tokens);
    }

    /** @param module a decoder or an encoder */
    public static GraphKey vae(String module, int batchSize, ImageSize size) {
        return new GraphKey(module, false, batchSize, Optional.of(size), 0);
    }
}
