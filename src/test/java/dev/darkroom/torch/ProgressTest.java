package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.diffusion.StepListener;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProgressTest {

    private final List<Integer> told = new ArrayList<>();
    private final StepListener listener = (step, total) -> told.add(step);

    @Test
    void tellsEveryStepOfOneBatch() {
        run(new Progress(listener, 4, 3), 4, 3);

        assertThat(told).containsExactly(1, 2, 3, 4);
    }

    @Test
    void countsOverBothBatchesOfASplitCall() {
        Progress progress = new Progress(listener, 4, 4);

        run(progress, 4, 2);
        run(progress, 4, 2);

        assertThat(told).containsExactly(1, 2, 3, 4);
    }

    @Test
    void neverGoesBackWhenABatchRunsAgain() {
        Progress progress = new Progress(listener, 4, 4);

        progress.stepDone(1, 4);
        progress.stepDone(2, 4);
        run(progress, 4, 2);
        run(progress, 4, 2);

        assertThat(told).containsExactly(1, 2, 3, 4);
    }

    private static void run(Progress progress, int steps, int batchSize) {
        for (int step = 1; step <= steps; step++) {
            progress.stepDone(step, batchSize);
        }
        progress.batchDone(batchSize);
    }
}
