package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How waiting images are spread over the batch sizes that there are compiled packages for. */
class BatchSizesTest {

    @ParameterizedTest
    @CsvSource({
        "1, 1",
        "2, 2",
        "3, 4",
        "4, 4",
        "5, 4 1",
        "6, 8",
        "7, 8",
        "8, 8",
        "9, 8 1",
        "11, 8 4",
        "13, 8 4 1"
    })
    void takesTheLargestSizeThatIsFullOrNearlySo(int images, String batches) {
        assertThat(spread(BatchSizes.of(List.of(8, 1, 4, 2)), images)).isEqualTo(batches);
    }

    @Test
    void fillsUpWhatIsLessThanTheSmallestSize() {
        assertThat(spread(BatchSizes.of(List.of(4, 8)), 1)).isEqualTo("4");
    }

    @Test
    void takesAnySizeWithoutCompiledPackages() {
        assertThat(spread(BatchSizes.upTo(8), 5)).isEqualTo("5");
        assertThat(spread(BatchSizes.upTo(8), 11)).isEqualTo("8 3");
    }

    @Test
    void fillsUpWithTheLast() {
        assertThat(BatchSizes.fill(List.of("a", "b", "c"), 4)).containsExactly("a", "b", "c", "c");
        assertThat(BatchSizes.fill(List.of("a"), 1)).containsExactly("a");
    }

    private static String spread(BatchSizes sizes, int images) {
        List<String> batches = new ArrayList<>();
        for (int left = images; left > 0;) {
            int size = sizes.next(left);
            batches.add(String.valueOf(size));
            left -= size;
        }
        return String.join(" ", batches);
    }
}
