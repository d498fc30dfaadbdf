import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import java.io.File;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Reads events into generated classes and writes them again; says "same", or what was lost or added. */
final class RoundTrip {

    /** Of a request, which the generated class fills in where they are left out. */
    private static final Set<String> DEFAULTS = Set.of("/promptSyntax", "/profile", "/image/fit", "/count", "/output/format");

    private RoundTrip() {
    }

    /** @param arguments the class to read, the class that must come of it, and a file, in threes */
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = JsonMapper.builder().addModule(new JavaTimeModule())
                .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
                .disable(DeserializationFeature.ADJUST_DATES_TO_CONTEXT_TIME_ZONE)
                .build();
        List<String> differences = new ArrayList<>();
        for (int i = 0; i < arguments.length; i += 3) {
            JsonNode event = mapper.readTree(new File(arguments[i + 2]));
            Object read = mapper.treeToValue(event, Class.forName(arguments[i]));
            if (!read.getClass().getName().equals(arguments[i + 1])) {
                differences.add(arguments[i + 2] + " was read as " + read.getClass());
            }
            compare(arguments[i + 2] + " ", "", event, mapper.valueToTree(read), differences);
        }
        System.out.println(differences.isEmpty() ? "same" : String.join("\n", differences));
    }

    private static void compare(String file, String path, JsonNode event, JsonNode written, List<String> differences) {
        if (event.isObject() && written.isObject()) {
            event.properties().forEach(field -> compare(
                    file, path + "/" + field.getKey(), field.getValue(), written.path(field.getKey()), differences));
            written.fieldNames().forEachRemaining(name -> {
                if (!event.has(name) && !DEFAULTS.contains(path + "/" + name)) {
                    differences.add(file + path + "/" + name + " was added");
                }
            });
        } else if (event.isArray() && written.isArray() && event.size() == written.size()) {
            for (int i = 0; i < event.size(); i++) {
                compare(file, path + "/" + i, event.get(i), written.get(i), differences);
            }
        } else if (!same(event, written)) {
            differences.add(file + path + " was " + event + " and is " + written);
        }
    }

    private static boolean same(JsonNode a, JsonNode b) {
        if (a.isNumber() && b.isNumber()) {
            return a.decimalValue().compareTo(b.decimalValue()) == 0;
        }
        if (a.isTextual() && b.isTextual() && a.textValue().matches("\\d{4}-\\d{2}-\\d{2}T.*")) {
            return OffsetDateTime.parse(a.textValue()).isEqual(OffsetDateTime.parse(b.textValue()));
        }
        return a.equals(b);
    }
}
