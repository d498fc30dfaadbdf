package dev.darkroom.faults;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;

/**
 * What requests ask for: some pictures that differ from each other, of few steps so that they are made soon. What each looks
 * like is learnt from a worker that nothing was done to.
 */
final class Pictures {

    /** Levels of 255 by which a pixel may differ where a picture was made in another batch. */
    private static final int TOLERANCE = 2;
    private static final List<String> THINGS = List.of("red apple", "banana", "lemon", "carrot", "guitar",
            "teddy bear");
    private static final List<String> COLOURS = List.of("white", "pink", "green", "purple");

    /** Small, and two steps of the denoiser without guidance: a picture is made in a tenth of a second. */
    private static final String QUICK = "\"width\": 128, \"height\": 128, \"steps\": 2, \"guidance\": {\"scale\": 1}";

    private final Map<Integer, int[]> references = new HashMap<>();

    static int count() {
        return THINGS.size() * COLOURS.size();
    }

    static List<Integer> all() {
        return IntStream.range(0, count()).boxed().toList();
    }

    static int any(Random random) {
        return random.nextInt(count());
    }

    static String prompt(int picture) {
        return "a %s on a %s background, flat icon".formatted(
                THINGS.get(picture % THINGS.size()), COLOURS.get(picture / THINGS.size()));
    }

    static long seed(int picture) {
        return 1_000L + picture;
    }

    /** @param more members to be added, each with a comma before it */
    static String request(String id, int picture, String more) {
        return "{\"requestId\": \"%s\", \"prompt\": \"%s\", \"seed\": %d, %s%s}".formatted(
                id, prompt(picture), seed(picture), QUICK, more);
    }

    /** @throws IllegalStateException if it looks like another one: nothing could be told from it */
    void learn(int picture, byte[] file) {
        int[] pixels = pixels(file);
        references.forEach((other, its) -> {
            if (same(pixels, its)) {
                throw new IllegalStateException("pictures %d and %d look the same".formatted(picture, other));
            }
        });
        references.put(picture, pixels);
    }

    /** Whether a file is an image of this picture. */
    boolean matches(int picture, byte[] file) {
        return same(references.get(picture), pixels(file));
    }

    private static int[] pixels(byte[] file) {
        try {
            BufferedImage image = ImageIO.read(new ByteArrayInputStream(file));
            return image == null ? new int[0]
                    : image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
        } catch (IOException e) {
            return new int[0];
        }
    }

    private static boolean same(int[] a, int[] b) {
        return a.length == b.length && a.length > 0 && IntStream.range(0, a.length).allMatch(i -> near(a[i], b[i]));
    }

    private static boolean near(int a, int b) {
        return IntStream.of(0, 8, 16).allMatch(shift -> Math.abs((a >> shift & 255) - (b >> shift & 255)) <= TOLERANCE);
    }
}
