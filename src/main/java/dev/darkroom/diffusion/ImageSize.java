package dev.darkroom.diffusion;

/**
 * The size of an image in pixels.
 *
 * @param width in pixels
 * @param height in pixels
 */
public record ImageSize(int width, int height) {

    @Override
    public String toString() {
        return width + "x" + height;
    }
}
