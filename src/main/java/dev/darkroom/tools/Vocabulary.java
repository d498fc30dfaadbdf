package dev.darkroom.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** What a small model can draw, as its bundle lists it. */
public final class Vocabulary {

    private static final Pattern NO_LETTERS = Pattern.compile("\\P{L}+");

    /** What a vocabulary's entries hold besides names. */
    private static final Set<String> NAMELESS = Set.of("a", "an", "and", "in", "of", "on", "the", "with");

    private Vocabulary() {
    }

    /** The bundle that commands speak of: {@code DARKROOM_BUNDLE}'s, or the built-in model's. */
    public static Path usualBundle() {
        return Path.of(System.getenv().getOrDefault("DARKROOM_BUNDLE", "models/mini"));
    }

    /** The vocabulary in lines for a person; none where the bundle lists none, or there is no bundle. */
    public static List<String> lines(Path bundle) {
        JsonNode vocabulary = vocabulary(bundle);
        List<String> lines = new ArrayList<>();
        if (!vocabulary.isMissingNode()) {
            lines.add("The model in %s draws one or two objects on a plain background, as in the examples.".formatted(bundle));
            lines.add("Objects: " + words(vocabulary.path("objects")));
            lines.add("Backgrounds: " + words(vocabulary.path("colors")));
            lines.add("Styles: " + words(vocabulary.path("styles")));
        }
        return lines;
    }

    /**
     * What a person should know of prompts that have no word of the vocabulary, one sentence; empty where all have one, or
     * the bundle lists none.
     */
    public static Optional<String> hint(Path bundle, List<String> prompts) {
        JsonNode vocabulary = vocabulary(bundle);
        Set<String> known = Stream.of("objects", "colors", "styles")
                .flatMap(list -> entries(vocabulary.path(list))).flatMap(Vocabulary::wordsOf).collect(Collectors.toSet());
        List<String> strange = known.isEmpty() ? List.of()
                : prompts.stream().distinct().filter(prompt -> wordsOf(prompt).noneMatch(known::contains)).toList();
        if (strange.isEmpty()) {
            return Optional.empty();
        }
        String which = "\"" + strange.get(0) + "\""
                + (strange.size() == 1 ? "" : " and of %d other prompts".formatted(strange.size() - 1));
        return Optional.of("The model in %s knows no word of %s; `darkroom generate --help` lists what it draws."
                .formatted(bundle, which));
    }

    /** Those that name something, in the singular. */
    private static Stream<String> wordsOf(String text) {
        return NO_LETTERS.splitAsStream(text.toLowerCase(Locale.ROOT))
                .filter(word -> !word.isEmpty() && !NAMELESS.contains(word))
                .map(word -> word.endsWith("s") ? word.substring(0, word.length() - 1) : word);
    }

    private static JsonNode vocabulary(Path bundle) {
        try {
            return new ObjectMapper().readTree(bundle.resolve("bundle.json").toFile()).path("vocabulary");
        } catch (IOException e) {
            return MissingNode.getInstance();
        }
    }

    private static String words(JsonNode list) {
        return entries(list).collect(Collectors.joining(", "));
    }

    /** The texts of an array, or the names of an object's fields. */
    private static Stream<String> entries(JsonNode list) {
        return list.isArray()
                ? StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText)
                : StreamSupport.stream(((Iterable<String>) list::fieldNames).spliterator(), false);
    }
}
