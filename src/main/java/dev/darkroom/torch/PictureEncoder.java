package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.ImageToImage;
import dev.darkroom.diffusion.SourceImage;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * From pictures to the latents that denoising starts from.
 *
 * @param network the encoder
 * @param sampled whether it samples a posterior, with noise as its second input
 */
record PictureEncoder(ComputeDevice device, BundleManifest manifest, Network network, boolean sampled) {

    /** From here on a pixel of a mask is made anew, diffusers' binarized 0.5. */
    private static final int MADE_ANEW = 128;

    /**
     * Encodes the pictures of a batch.
     *
     * @param seeds one a picture
     */
    StartingLatents encode(
            NDManager manager, ImageToImage start, List<SourceImage> pictures, List<Long> seeds, ImageSize size) {
        Shape shape = new Shape(manifest.latentChannels(), size.height() / manifest.latentScale(),
                size.width() / manifest.latentScale());
        NDList inputs = new NDList(pixels(manager, pictures, size));
        int[] rows = {Network.WHOLE};
        if (sampled) {
            inputs.add(device.drawNoise(manager, seeds, 1, shape));
            rows = new int[] {Network.WHOLE, 0};
        }
        NDArray latents = network.run(inputs, rows).singletonOrThrow();
        Optional<NDArray> mask = start.masked() ? Optional.of(mask(manager, pictures, size)) : Optional.empty();
        return new StartingLatents(latents, mask, sampled, start.masked() && start.strength() == 1);
    }

    /** uint8 {@code [B, height, width, 3]} */
    private static NDArray pixels(NDManager manager, List<SourceImage> pictures, ImageSize size) {
        ByteBuffer pixels = manager.allocateDirect(pictures.size() * 3 * size.width() * size.height());
        pictures.forEach(picture -> pixels.put(picture.rgb()));
        pixels.rewind();
        return manager.create(pixels, new Shape(pictures.size(), size.height(), size.width(), 3), DataType.UINT8);
    }

    /** {@code [B, 1, h, w]}: of each latent's pixels the first one counts, as in torch's nearest interpolation. */
    private NDArray mask(NDManager manager, List<SourceImage> pictures, ImageSize size) {
        int scale = manifest.latentScale();
        int columns = size.width() / scale;
        int rows = size.height() / scale;
        float[] mask = new float[pictures.size() * rows * columns];
        int latent = 0;
        for (SourceImage picture : pictures) {
            byte[] pixels = picture.mask().orElseThrow();
            for (int row = 0; row < rows; row++) {
                for (int column = 0; column < columns; column++) {
                    int pixel = pixels[row * scale * size.width() + column * scale] & 0xff;
                    mask[latent++] = pixel >= MADE_ANEW ? 1 : 0;
                }
            }
        }
        return manager.create(mask, new Shape(pictures.size(), 1, rows, columns));
    }
}
