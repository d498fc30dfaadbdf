package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.WeightedPrompt;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
        PromptTokenizer.TokenIds tokens = tokenize(golden.get("prompt").asText(), 1);

        long[] expected = StreamSupport.stream(golden.get("ids").spliterator(), false)
                .mapToLong(JsonNode::asLong).toArray();
        assertThat(tokens.texts()).containsExactly(expected);
        assertThat(tokens.truncated()).isEqualTo(golden.get("truncated").asBoolean());
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "1, 1", "75, 1", "76, 2", "150, 2", "151, 3", "400, 6"})
    void textsOf75TokensHoldAPrompt(int tokens, int texts) {
        assertThat(TOKENIZER.chunks(WeightedPrompt.plain("a ".repeat(tokens)))).isEqualTo(texts);
    }

    /** Each has start, end and padding of its own; where the tokens do not suffice for all, the others are empty. */
    @Test
    void aLongPromptIsReadAsSeveralTexts() {
        long a = tokenize("a", 1).texts().get(0)[1];
        long[] empty = tokenize("", 1).texts().get(0);

        PromptTokenizer.TokenIds tokens = tokenize("a ".repeat(80), 3);

        assertThat(tokens.truncated()).isFalse();
        assertThat(tokens.texts()).hasSize(3);
        assertThat(tokens.texts().get(0)).startsWith(empty[0], a).containsOnly(empty[0], a, empty[1]).endsWith(a, empty[1]);
        assertThat(tokens.texts().get(1)).startsWith(empty[0], a, a, a, a, a, empty[1]).endsWith(empty[76]);
        assertThat(tokens.texts().get(2)).containsExactly(empty);
        assertThat(tokenize("a ".repeat(226), 3).truncated()).isTrue();
        assertThat(tokenize("a ".repeat(225), 3).truncated()).isFalse();
    }

    private static PromptTokenizer.TokenIds tokenize(String prompt, int chunks) {
        return TOKENIZER.tokenize(WeightedPrompt.plain(prompt), chunks).get(0).tokens();
    }

    private static Stream<Named<JsonNode>> cases() {
        return Golden.cases("tokenizer.json")
                .map(golden -> Named.of(golden.get("prompt").toString(), golden));
    }
}
