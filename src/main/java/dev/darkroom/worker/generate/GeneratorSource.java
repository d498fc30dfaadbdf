package dev.darkroom.worker.generate;

import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.ImageToImage;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.torch.BundleException;
import dev.darkroom.torch.DeviceException;
import dev.darkroom.torch.DeviceSelection;
import dev.darkroom.torch.DiffusionPipeline;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.StartException;
import io.quarkus.arc.lookup.LookupUnlessProperty;
import jakarta.inject.Singleton;
import org.jboss.logging.Logger;

/** Where the generator comes from: the configured bundle on the configured device. */
@Singleton
@LookupUnlessProperty(name = GeneratorSource.OTHER, stringValue = "instant", lookupIfMissing = true)
public class GeneratorSource {

    /** A property that puts another bean in this one's place, for a benchmark in the worker's process. */
    public static final String OTHER = "bench.generator";

    private static final Logger LOG = Logger.getLogger(GeneratorSource.class);

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

    /** With the encoder, where requests may start from pictures. */
    private GenerationParameters warmedUp(GenerationParameters parameters, DiffusionPipeline pipeline) {
        if (config.inputs().buckets().isEmpty()) {
            return parameters;
        }
        try {
            GenerationParameters withPictures = parameters.startingFrom(new ImageToImage(1, false));
            pipeline.check(withPictures);
            return withPictures;
        } catch (UnsupportedParametersException e) {
            LOG.warnf("setting=useless name=darkroom.inputs.buckets reason=\"%s\"", e.getMessage());
            return parameters;
        }
    }

    private ImageGenerator pipeline() {
        DarkroomConfig.Device device = config.device();
        DiffusionPipeline pipeline =
                DiffusionPipeline.load(config.bundle(), new DeviceSelection(device.index(), device.require()),
                        config.safety().policy());
        try {
            config.warmUp().forEach(profile -> pipeline.prepare(
                    warmedUp(profile.parameters(pipeline.model()), pipeline), pipeline.model().batchSizes()));
            return pipeline;
        } catch (RuntimeException e) {
            pipeline.close();
            throw e;
        }
    }
}
