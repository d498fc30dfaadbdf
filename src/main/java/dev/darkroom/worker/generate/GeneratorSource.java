package dev.darkroom.worker.generate;

import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.torch.BundleException;
import dev.darkroom.torch.DeviceException;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.DiffusionPipeline;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.StartException;
import io.quarkus.arc.lookup.LookupUnlessProperty;
import jakarta.inject.Singleton;

/** Where the generator comes from: the configured bundle on the configured device. */
@Singleton
@LookupUnlessProperty(name = GeneratorSource.OTHER, stringValue = "instant", lookupIfMissing = true)
public class GeneratorSource {

    /** A property that puts another bean in this one's place, for a benchmark in the worker's process. */
    public static final String OTHER = "bench.generator";

    private final DarkroomConfig config;

    public GeneratorSource(DarkroomConfig config) {
        this.config = config;
    }

    /**
     * Opens it, ready for the configured profiles.
     *
     * @throws StartException if the bundle or the device is not what the configuration says
     */
    public ImageGenerator open() {
        try {
            return pipeline();
        } catch (BundleException | DeviceException | UnsupportedParametersException | DeviceMemoryException e) {
            throw new StartException(e.getMessage(), e);
        }
    }

    private ImageGenerator pipeline() {
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
