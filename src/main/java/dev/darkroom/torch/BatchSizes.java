package dev.darkroom.torch;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The batch sizes that a network takes, and how what is waiting is spread over them.
 *
 * @param offered ascending; empty if every size up to {@code largest} will do
 * @param largest most that a batch may have
 */
record BatchSizes(List<Integer> offered, int largest) {

    /** Every size. */
    static BatchSizes upTo(int largest) {
        return new BatchSizes(List.of(), largest);
    }

    /** These sizes alone, of which there is at least one. */
    static BatchSizes of(List<Integer> offered) {
        List<Integer> ascending = offered.stream().sorted().toList();
        return new BatchSizes(ascending, ascending.get(ascending.size() - 1));
    }

    /**
     * The size of the next batch. It may be larger than what is waiting, and is then filled up: running four places for
     * three takes less time than running two and then one, running four for two does not.
     *
     * @param waiting at least 1
     */
    int next(int waiting) {
        if (offered.isEmpty()) {
            return Math.min(waiting, largest);
        }
        int below = offered.stream().filter(size -> size <= waiting).reduce((first, second) -> second).orElse(0);
        int above = offered.stream().filter(size -> size >= waiting).findFirst().orElse(Integer.MAX_VALUE);
        return below == 0 || 4L * waiting >= 3L * above ? above : below;
    }

    /** The items, and the last of them again until there are {@code batchSize}. */
    static <T> List<T> fill(List<T> items, int batchSize) {
        List<T> filled = new ArrayList<>(items);
        filled.addAll(Collections.nCopies(batchSize - items.size(), items.get(items.size() - 1)));
        return filled;
    }
}
