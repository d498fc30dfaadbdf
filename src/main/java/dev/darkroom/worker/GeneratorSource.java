package dev.darkroom.worker;

import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.DiffusionPipeline;
import jakarta.inject.Singleton;

/** Where the generator comes from: the configured bundle on the configured device. */
@Singleton
class GeneratorSource {

    private final DarkroomConfig config;

    GeneratorSource(DarkroomConfig config) {
        this.config = config;
    }

    /** Opens it, ready for the configured profiles. */
    ImageGenerator open() {
        DarkroomConfig.Device device = config.device();
        DiffusionPipeline pipeline =
                DiffusionPipeline.load(config.bundle(), new DeviceSelection(device.index(), device.require()));
        try {
            config.warmUp().forEach(profile ->
                    pipeline.prepare(profile.parameters(pipeline.model()), pipeline.model().batchSizes()));
            return pipeline;
        } catch (RuntimeException e) {
            pipeline.close();
            throw e;
        }
    }
}
