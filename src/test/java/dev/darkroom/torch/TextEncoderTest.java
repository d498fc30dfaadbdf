package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.PromptSyntax;
import dev.darkroom.diffusion.WeightedPrompt;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Embeddings of weighted prompts as compel gives them. */
class TextEncoderTest {

    private static final ModelBundle BUNDLE = ModelBundle.read(Mini.FOLDER);
    private static final ComputeDevice DEVICE = ComputeDevice.open(DeviceSelection.cpu());
    private static final Networks NETWORKS = new Networks(BUNDLE, DEVICE);
    private static final TextEncoder ENCODER = new TextEncoder(BUNDLE, DEVICE, NETWORKS);

    @AfterAll
    static void close() {
        ENCODER.close();
        NETWORKS.close();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void embeddingsAreCompels(JsonNode golden) {
        String prompt = golden.get("prompt").textValue();
        assertThat(WeightedPrompt.parse(prompt).fragments()).extracting(WeightedPrompt.Fragment::text)
                .containsExactlyElementsOf(golden.findValuesAsText("text"));

        try (NDManager manager = DEVICE.newManager()) {
            NDArray states = encode(manager, new TextEncoder.Text(prompt, PromptSyntax.WEIGHTED)).hiddenStates();

            assertEmbeddings(states, golden);
        }
    }

    private static void assertEmbeddings(NDArray states, JsonNode golden) {
        double[] expected = Golden.doubles(golden.get("embeddings"));
        float[] actual = states.get(":, :, :" + expected.length / states.getShape().get(1)).toFloatArray();
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat((double) actual[i]).as("number %d", i).isCloseTo(expected[i], within(2e-5));
        }
    }

    @ParameterizedTest
    @MethodSource("longCases")
    void embeddingsOfLongPromptsAreCompels(JsonNode golden) {
        int chunks = golden.get("tokens").asInt() / 77;
        var text = new TextEncoder.Text(golden.get("prompt").textValue(), PromptSyntax.WEIGHTED);
        assertThat(ENCODER.chunks(text)).isEqualTo(chunks);

        try (NDManager manager = DEVICE.newManager()) {
            NDArray states = ENCODER.encode(manager, List.of(text), chunks, List.of(), false).hiddenStates();

            assertThat(states.getShape().get(1)).isEqualTo(77L * chunks);
            assertEmbeddings(states, golden);
        }
    }

    /** As compel's {@code pad_conditioning_tensors_to_same_length} has it. */
    @Test
    void aShortPromptBesideALongOneIsFilledUpWithTheEmptyText() {
        try (NDManager manager = DEVICE.newManager()) {
            var apple = new TextEncoder.Text("(a red apple:1.3)", PromptSyntax.WEIGHTED);
            var nothing = new TextEncoder.Text("", PromptSyntax.PLAIN);
            NDArray filled = ENCODER.encode(manager, List.of(apple), 2, List.of(), false).hiddenStates();
            NDArray alone = encode(manager, apple).hiddenStates();
            NDArray empty = encode(manager, nothing).hiddenStates();

            assertThat(filled.get(":, :77").sub(alone).abs().max().getFloat()).isLessThan(2e-5f);
            assertThat(filled.get(":, 77:").sub(empty).abs().max().getFloat()).isLessThan(2e-5f);
        }
    }

    @Test
    void withoutWeightsBothSyntaxesAreOne() {
        try (NDManager manager = DEVICE.newManager()) {
            TextEncoder.Embeddings both = encode(manager, new TextEncoder.Text("a red apple", PromptSyntax.PLAIN),
                    new TextEncoder.Text("(a red apple:1)", PromptSyntax.WEIGHTED),
                    new TextEncoder.Text("(a red apple:1)", PromptSyntax.PLAIN));

            float[] plain = both.hiddenStates().get(0).toFloatArray();
            assertThat(both.hiddenStates().get(1).toFloatArray()).isEqualTo(plain);
            assertThat(both.hiddenStates().get(2).toFloatArray()).isNotEqualTo(plain);
        }
    }

    @Test
    void whatIsCutIsSaid() {
        try (NDManager manager = DEVICE.newManager()) {
            assertThat(encode(manager, new TextEncoder.Text("(a red apple:1.2) ".repeat(40), PromptSyntax.WEIGHTED),
                    new TextEncoder.Text("(a red apple:0.2)", PromptSyntax.WEIGHTED)).truncated()).containsExactly(true, false);
        }
    }

    private static TextEncoder.Embeddings encode(NDManager manager, TextEncoder.Text... texts) {
        return ENCODER.encode(manager, List.of(texts), 1, List.of(), false);
    }

    private static Stream<Named<JsonNode>> longCases() {
        return Golden.cases("long-prompts.json").map(golden -> Named.of(golden.get("prompt").textValue(), golden));
    }

    private static Stream<Named<JsonNode>> cases() {
        return Golden.cases("emphasis.json").map(golden -> Named.of(golden.get("prompt").textValue(), golden));
    }
}
