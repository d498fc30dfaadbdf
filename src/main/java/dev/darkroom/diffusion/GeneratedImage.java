package dev.darkroom.diffusion;

/**
 * One decoded image.
 *
 * @param width in pixels
 * @param height in pixels
 * @param rgb the pixels, row by row, three bytes each (red, green, blue); {@code 3 * width * height} bytes
 * @param seed the seed that its noise was drawn from
 * @param promptTruncated whether the prompt or the negative prompt was longer than the text encoder reads and was cut
 */
public record GeneratedImage(int width, int height, byte[] rgb, long seed, boolean promptTruncated) {
}
