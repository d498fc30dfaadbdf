package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.DeviceMemoryException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FittingBatchesTest {

    private final List<Integer> tried = new ArrayList<>();

    @Test
    void splitsWhatIsMoreThanTheLargestBatch() {
        List<List<String>> batches = FittingBatches.run(List.of("a", "b", "c", "d", "e"), BatchSizes.upTo(2), this::onBigDevice);

        assertThat(batches).containsExactly(List.of("a", "b"), List.of("c", "d"), List.of("e"));
    }

    @Test
    void halvesABatchThatDoesNotFitAndKeepsToTheSmallerSize() {
        List<List<String>> batches =
                FittingBatches.run(List.of("a", "b", "c", "d", "e", "f", "g", "h"), BatchSizes.upTo(8), this::onDeviceOfTwo);

        assertThat(batches)
                .containsExactly(List.of("a", "b"), List.of("c", "d"), List.of("e", "f"), List.of("g", "h"));
        assertThat(tried).containsExactly(8, 4, 2, 2, 2, 2);
    }

    @Test
    void halvesToASizeThatCompiledPackagesOffer() {
        List<List<String>> batches = FittingBatches.run(
                List.of("a", "b", "c", "d", "e", "f", "g"), BatchSizes.of(List.of(1, 2, 4, 8)), this::onDeviceOfTwo);

        assertThat(batches).containsExactly(List.of("a", "b"), List.of("c", "d"), List.of("e", "f"), List.of("g"));
        assertThat(tried).containsExactly(8, 4, 2, 2, 2, 1);
    }

    @Test
    void givesUpWhenNotEvenOneFits() {
        assertThatThrownBy(() -> FittingBatches.run(List.of("a", "b", "c"), BatchSizes.upTo(8), this::onDeviceOfNone))
                .isInstanceOf(DeviceMemoryException.class)
                .hasMessageContaining("Tried to allocate");
        assertThat(tried).containsExactly(3, 1);
    }

    @Test
    void doesNotRunAgainAfterAnotherFailure() {
        assertThatThrownBy(() -> FittingBatches.run(List.of("a", "b"), BatchSizes.upTo(8), (batch, batchSize) -> {
            tried.add(batchSize);
            throw new DeviceFaultException("The device is lost.", null);
        })).isInstanceOf(DeviceFaultException.class);
        assertThat(tried).containsExactly(2);
    }

    private List<String> onBigDevice(List<String> batch, int batchSize) {
        return onDeviceOf(Integer.MAX_VALUE, batch, batchSize);
    }

    private List<String> onDeviceOfTwo(List<String> batch, int batchSize) {
        return onDeviceOf(2, batch, batchSize);
    }

    private List<String> onDeviceOfNone(List<String> batch, int batchSize) {
        return onDeviceOf(0, batch, batchSize);
    }

    /** Fails as torch does where more images are asked for than the device holds. */
    private List<String> onDeviceOf(int images, List<String> batch, int batchSize) {
        tried.add(batchSize);
        if (batchSize > images) {
            throw DeviceErrors.classify(new IllegalStateException(
                    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB"));
        }
        return List.copyOf(batch);
    }
}
