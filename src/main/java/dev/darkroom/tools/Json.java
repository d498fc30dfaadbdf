package dev.darkroom.tools;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;

/** JSON for people. */
final class Json {

    private static final ObjectMapper MAPPER = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private Json() {
    }

    /** The same JSON over several lines. */
    static byte[] indented(byte[] json) throws IOException {
        return MAPPER.writeValueAsBytes(MAPPER.readTree(json));
    }
}
