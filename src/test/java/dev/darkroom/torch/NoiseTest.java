package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.diffusion.Golden;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The noise of an image as {@code torch.Generator("cpu").manual_seed(seed)} draws it. */
class NoiseTest {

    @ParameterizedTest
    @MethodSource("cases")
    void drawsAsTorchDoes(JsonNode golden) {
        ComputeDevice device = ComputeDevice.open(DeviceSelection.cpu());
        try (NDManager manager = device.newManager()) {
            NDArray noise = device.drawNoise(
                    manager, List.of(5L, golden.get("seed").asLong()), 2, new Shape(4, 16, 16));

            assertThat(noise.getShape()).isEqualTo(new Shape(2, 2, 4, 16, 16));
            assertDrawn(noise.get(0, 1).toFloatArray(), golden.get("draws").get(0));
            assertDrawn(noise.get(1, 1).toFloatArray(), golden.get("draws").get(1));
        }
    }

    private static void assertDrawn(float[] drawn, JsonNode golden) {
        assertThat(Arrays.copyOf(drawn, 16)).containsExactly(floats(golden.get("first")), within());
        assertThat(drawn[drawn.length - 1]).isCloseTo((float) golden.get("last").asDouble(), within());
    }

    private static float[] floats(JsonNode array) {
        double[] doubles = Golden.doubles(array);
        float[] floats = new float[doubles.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) doubles[i];
        }
        return floats;
    }

    /** torch's vectorised logarithm and cosine differ in the last digit from one processor to the next. */
    private static Offset<Float> within() {
        return offset(2e-6f);
    }

    private static Stream<Named<JsonNode>> cases() {
        return Golden.cases("noise.json")
                .map(golden -> Named.of("seed " + golden.get("seed").asText(), golden));
    }
}
