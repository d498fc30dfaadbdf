package dev.darkroom.worker;

import dev.darkroom.diffusion.DiffusionPipeline;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.engine.DeviceSelection;
import jakarta.inject.Singleton;

/** Where the generator comes from: the configured bundle on the configured device. */
@Singleton
class GeneratorSource {

    private final DarkroomConfig config;

    GeneratorSource(DarkroomConfig config) {
        this.config = config;
    }

    ImageGenerator open() {
        DarkroomConfig.Device device = config.device();
        return DiffusionPipeline.load(config.bundle(), new DeviceSelection(device.index(), device.require()));
    }
}
