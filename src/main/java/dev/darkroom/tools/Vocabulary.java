package dev.darkroom.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** What a small model can draw, as its bundle lists it. */
public final class Vocabulary {

    private Vocabulary() {
    }

    /** The vocabulary in lines for a person; none where the bundle lists none, or there is no bundle. */
    public static List<String> lines(Path bundle) {
        JsonNode vocabulary;
        try {
            vocabulary = new ObjectMapper().readTree(bundle.resolve("bundle.json").toFile()).path("vocabulary");
        } catch (IOException e) {
            return List.of();
        }
        List<String> lines = new ArrayList<>();
        if (!vocabulary.isMissingNode()) {
            lines.add("The model in %s draws one or two objects on a plain background, as in the examples.".formatted(bundle));
            lines.add("Objects: " + words(vocabulary.path("objects")));
            lines.add("Backgrounds: " + words(vocabulary.path("colors")));
            lines.add("Styles: " + words(vocabulary.path("styles")));
        }
        return lines;
    }

    /** The texts of an array, or the names of an object's fields. */
    private static String words(JsonNode list) {
        return list.isArray()
                ? StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText).collect(Collectors.joining(", "))
                : StreamSupport.stream(((Iterable<String>) list::fieldNames).spliterator(), false)
                        .collect(Collectors.joining(", "));
    }
}
