package dev.darkroom.worker.ops;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.Retries;
import dev.darkroom.worker.store.Encryption;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.InstrumentedImageStore;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.RetryingImageStore;
import dev.darkroom.worker.store.StoreKeys;
import dev.darkroom.worker.store.StoreSettings;
import dev.darkroom.worker.store.TrustedAuthorities;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Disposes;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Singleton;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;

/** Makes beans of what other packages keep free of the container. */
class WorkerBeans {

    /** A right may be granted a moment after the worker that needs it is started. */
    private static final Duration REFUSALS_AT_OPENING = Duration.ofMinutes(1);

    @Produces
    @ApplicationScoped
    ImageStore store(DarkroomConfig config, Retries retries, MeterRegistry metrics) {
        return new RetryingImageStore(new InstrumentedImageStore(new MinioImageStore(settings(config.store())), metrics),
                retries, REFUSALS_AT_OPENING);
    }

    /** @throws IllegalArgumentException for what no store can have, with a sentence but for its full stop */
    static StoreSettings settings(DarkroomConfig.Store store) {
        if (store.encryptionKey().isPresent() && store.encryption().isEmpty()) {
            throw new IllegalArgumentException("darkroom.store.encryption-key goes with darkroom.store.encryption=aws:kms");
        }
        return new StoreSettings(store.endpoint(), store.publicEndpoint(), store.region(), store.bucket(),
                store.prefix().orElse(""), keys(store),
                store.encryption().map(algorithm -> new Encryption(algorithm, store.encryptionKey())),
                store.caFile().map(TrustedAuthorities::of), store.pathStyle(), store.createBucket(),
                store.connectTimeout(), store.readTimeout());
    }

    private static Optional<StoreKeys> keys(DarkroomConfig.Store store) {
        if (store.accessKey().isEmpty() && store.secretKey().isEmpty() && store.sessionToken().isEmpty()) {
            return store.endpoint().equals(URI.create(DarkroomConfig.STACK_STORE))
                    ? Optional.of(new StoreKeys(DarkroomConfig.STACK_ACCESS_KEY, DarkroomConfig.STACK_SECRET_KEY,
                            Optional.empty()))
                    : Optional.empty();
        }
        return Optional.of(new StoreKeys(
                store.accessKey().orElseThrow(() -> missing("access-key")),
                store.secretKey().orElseThrow(() -> missing("secret-key")), store.sessionToken()));
    }

    private static IllegalArgumentException missing(String key) {
        return new IllegalArgumentException("darkroom.store." + key + " is missing; access-key and secret-key go together, and a "
                + "session-token with both");
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
