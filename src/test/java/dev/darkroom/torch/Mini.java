package dev.darkroom.torch;

import java.nio.file.Path;

/** The small bundle in the repository, loaded once for all tests; they run one after the other. */
final class Mini {

    static final Path FOLDER = Path.of("models/mini");

    private static final DiffusionPipeline PIPELINE = DiffusionPipeline.load(FOLDER, DeviceSelection.cpu());

    private Mini() {
    }

    static DiffusionPipeline pipeline() {
        return PIPELINE;
    }
}
