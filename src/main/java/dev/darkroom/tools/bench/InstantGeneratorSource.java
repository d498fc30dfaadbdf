package dev.darkroom.tools.bench;

import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.generate.GeneratorSource;
import io.quarkus.arc.lookup.LookupIfProperty;
import jakarta.inject.Singleton;

/** The worker's generator in {@code darkroom bench --generator instant}. */
@Singleton
@LookupIfProperty(name = GeneratorSource.OTHER, stringValue = InstantGeneratorSource.NAME)
public class InstantGeneratorSource extends GeneratorSource {

    static final String NAME = "instant";

    public InstantGeneratorSource(DarkroomConfig config) {
        super(config);
    }

    @Override
    public ImageGenerator open() {
        return new InstantGenerator();
    }
}
