package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.diffusion.Golden;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Token ids as transformers' CLIP tokenizer gives them to diffusers. */
class PromptTokenizerTest {

    private static final PromptTokenizer TOKENIZER = new PromptTokenizer(ModelBundle.read(Mini.FOLDER));

    @AfterAll
    static void close() {
        TOKENIZER.close();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void cutsAndPadsAsDiffusersDoes(JsonNode golden) {
        PromptTokenizer.TokenIds tokens = TOKENIZER.tokenize(golden.get("prompt").asText());

        long[] expected = StreamSupport.stream(golden.get("ids").spliterator(), false)
                .mapToLong(JsonNode::asLong).toArray();
        assertThat(tokens.ids()).containsExactly(expected);
        assertThat(tokens.truncated()).isEqualTo(golden.get("truncated").asBoolean());
    }

    private static Stream<Named<JsonNode>> cases() {
        return Golden.cases("tokenizer.json")
                .map(golden -> Named.of(golden.get("prompt").toString(), golden));
    }
}
