package dev.darkroom.tools.bench;

import java.util.List;
import java.util.Random;

/** Texts to encode: a new one for each image, as in real work, where no prompt comes twice. */
final class Prompts {

    private static final List<String> OBJECTS = List.of("rocket", "umbrella", "teapot", "bicycle", "lighthouse", "cactus",
            "telescope", "sailing boat", "violin", "lantern", "camera", "armchair");
    private static final List<String> COLORS =
            List.of("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "grey", "black");
    private static final List<String> STYLES = List.of("flat icon", "glossy icon", "oil painting", "product photo",
            "watercolour", "studio lighting", "35 mm film", "isometric drawing");

    private Prompts() {
    }

    /** The prompt of this number; always the same. */
    static String of(long number) {
        Random random = new Random(number);
        return "a %s %s beside a %s %s on a %s background, %s, number %d".formatted(
                any(COLORS, random), any(OBJECTS, random), any(COLORS, random), any(OBJECTS, random),
                any(COLORS, random), any(STYLES, random), number);
    }

    private static String any(List<String> words, Random random) {
        return words.get(random.nextInt(words.size()));
    }
}
