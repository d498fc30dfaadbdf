package dev.darkroom.worker;

import dev.darkroom.event.Events;
import dev.darkroom.event.RequestReader;
import dev.darkroom.storage.ImageStore;
import dev.darkroom.storage.InstrumentedImageStore;
import dev.darkroom.storage.MinioImageStore;
import dev.darkroom.storage.RetryingImageStore;
import dev.darkroom.storage.StoreSettings;
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
