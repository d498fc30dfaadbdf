package dev.darkroom.torch;

import java.nio.file.Path;

/** The small bundle in the repository, loaded once for all tests; they run one after the other. */
final class Mini {

    static final Path FOLDER = Path.of("models/mini");

    /** Loaded by who asks for the pipeline, not by who asks where the bundle is. */
    private static final class Loaded {
        private static final DiffusionPipeline PIPELINE = DiffusionPipeline.load(FOLDER, DeviceSelection.cpu());
    }

    private Mini() {
    }

    static DiffusionPipeline pipeline() {
        return Loaded.PIPELINE;
    }
}
