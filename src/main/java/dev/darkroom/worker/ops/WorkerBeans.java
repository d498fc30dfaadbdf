package dev.darkroom.worker.ops;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.Retries;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.InstrumentedImageStore;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.RetryingImageStore;
import dev.darkroom.worker.store.StoreSettings;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Disposes;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Singleton;
import java.time.Duration;

/** Makes beans of what other packages keep free of the container. */
class WorkerBeans {

    /** A right may be granted a moment after the worker that needs it is started. */
    private static final Duration REFUSALS_AT_OPENING = Duration.ofMinutes(1);

    @Produces
    @ApplicationScoped
    ImageStore store(DarkroomConfig config, Retries retries, MeterRegistry metrics) {
        return new RetryingImageStore(new InstrumentedImageStore(new MinioImageStore(StoreSettings.of(config.store())), metrics),
                retries, REFUSALS_AT_OPENING);
    }

    void close(@Disposes ImageStore store) {
        store.close();
    }

    @Produces
    @Singleton
    RequestReader reader() {
        return new RequestReader();
    }

    @Produces
    @Singleton
    Events events(DarkroomConfig config) {
        return new Events(config.events().source());
    }
}
