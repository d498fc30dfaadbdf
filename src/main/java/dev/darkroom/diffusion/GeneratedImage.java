package dev.darkroom.diffusion;

import java.util.Optional;

/**
 * One decoded image.
 *
 * @param width in pixels
 * @param height in pixels
 * @param rgb the pixels, row by row, three bytes each (red, green, blue); {@code 3 * width * height} bytes
 * @param seed the seed that its noise was drawn from
 * @param promptTruncated whether the prompt or the negative prompt was longer than what is read and was cut
 * @param safety what the safety checker says of it; empty where it was not asked
 */
public record GeneratedImage(int width, int height, byte[] rgb, long seed, boolean promptTruncated,
        Optional<Safety> safety) {
}
