package dev.darkroom.worker.ops;

import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.StorageException;
import io.quarkus.runtime.StartupEvent;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.Optional;

/** Whether the object store answers. */
@ApplicationScoped
class StoreWatch {

    private static final Duration INTERVAL = Duration.ofSeconds(2);
    private static final Duration PATIENCE = Duration.ofSeconds(15);

    private final ImageStore store;
    private Watch watch;

    StoreWatch(ImageStore store) {
        this.store = store;
    }

    void start(@Observes StartupEvent event) {
        watch = new Watch("The object store", INTERVAL, PATIENCE, this::look);
    }

    private Optional<String> look() {
        try {
            store.ping();
            return Optional.empty();
        } catch (StorageException e) {
            return Optional.of("The object store cannot be used: " + e.reason() + ".");
        }
    }

    Optional<String> trouble() {
        return watch.trouble();
    }

    @PreDestroy
    void close() {
        watch.close();
    }
}
