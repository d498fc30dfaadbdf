package dev.darkroom.torch;

import dev.darkroom.diffusion.StepListener;

/**
 * Tells a listener of the steps of one call, over all batches that the call is split into, as one count that only
 * grows.
 */
final class Progress {

    private final StepListener listener;
    private final int steps;
    private final int images;
    private int imagesDone;
    private int told;

    /**
     * @param steps steps of each batch
     * @param images images of all batches
     */
    Progress(StepListener listener, int steps, int images) {
        this.listener = listener;
        this.steps = steps;
        this.images = images;
    }

    /**
     * @param step steps that the running batch has done
     * @param batchSize images in it
     */
    void stepDone(int step, int batchSize) {
        int done = (imagesDone * steps + batchSize * step) / images;
        if (done > told) {
            told = done;
            listener.onStep(done, steps);
        }
    }

    void batchDone(int batchSize) {
        imagesDone += batchSize;
    }
}
