package dev.darkroom.worker;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.RequestReader;
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
import java.util.Optional;

/** Makes beans of what other packages keep free of the container. */
class WorkerBeans {

    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(20);

    @Produces
    @ApplicationScoped
    ImageStore store(DarkroomConfig config, MeterRegistry metrics) {
        DarkroomConfig.Store store = config.store();
        StoreSettings settings = new StoreSettings(store.endpoint(), store.region(), store.bucket(), store.accessKey(),
                store.secretKey(), store.pathStyle(), store.createBucket(), store.connectTimeout(),
                store.readTimeout());
        return new RetryingImageStore(new InstrumentedImageStore(new MinioImageStore(settings), metrics), FIRST_PAUSE,
                LONGEST_PAUSE, Optional.empty());
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
