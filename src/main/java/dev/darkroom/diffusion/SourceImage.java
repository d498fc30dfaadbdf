package dev.darkroom.diffusion;

import java.util.Optional;

/**
 * A picture that an image starts from, at the image's size.
 *
 * @param width in pixels
 * @param height in pixels
 * @param rgb the pixels, row by row, three bytes each (red, green, blue)
 * @param mask one byte a pixel, row by row: from 128 on it is made anew, below it is kept; empty if all is made anew
 */
public record SourceImage(int width, int height, byte[] rgb, Optional<byte[]> mask) {

    /** @throws IllegalArgumentException if there are not as many pixels as width and height say */
    public SourceImage {
        if (width < 1 || height < 1 || rgb.length != 3L * width * height
                || mask.filter(bytes -> bytes.length != (long) width * height).isPresent()) {
            throw new IllegalArgumentException("%d bytes of pixels and %s of a mask do not make a picture of %d×%d".formatted(
                    rgb.length, mask.map(bytes -> bytes.length), width, height));
        }
    }
}
