package dev.darkroom.worker;

import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.StorageException;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Produces;
import java.time.Duration;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.HealthCheckResponseBuilder;
import org.eclipse.microprofile.health.Liveness;
import org.eclipse.microprofile.health.Readiness;
import org.eclipse.microprofile.health.Startup;

/**
 * The worker's state for probes. Kafka's is told by its own connector. Kafka never notices a wedged device, since
 * SmallRye goes on polling; the liveness check is what does.
 */
@ApplicationScoped
class WorkerHealth {

    private final Duration stuckAfter;
    private final Generator generator;
    private final ImageStore store;

    WorkerHealth(DarkroomConfig config, Generator generator, ImageStore store) {
        this.stuckAfter = config.flow().stuckAfter();
        this.generator = generator;
        this.store = store;
    }

    /** Down when the generating thread has ended, or is silent in the middle of a batch for too long. */
    @Produces
    @Liveness
    HealthCheck generating() {
        return () -> {
            HealthCheckResponseBuilder response =
                    HealthCheckResponse.named("generator").status(generator.alive(stuckAfter));
            generator.busySince().ifPresent(since -> response.withData("busySince", since.toString()));
            return response.build();
        };
    }

    /** Up once model and store are open, so that requests can be taken. */
    @Produces
    @Startup
    @Readiness
    HealthCheck opened() {
        return this::model;
    }

    /** Up while the object store answers. */
    @Produces
    @Readiness
    HealthCheck storing() {
        return () -> {
            HealthCheckResponseBuilder response = HealthCheckResponse.named("store");
            try {
                store.ping();
                return response.up().build();
            } catch (StorageException e) {
                return response.down().withData("reason", e.getMessage()).build();
            }
        };
    }

    private HealthCheckResponse model() {
        HealthCheckResponseBuilder response = HealthCheckResponse.named("model").status(generator.ready());
        if (generator.ready()) {
            ModelDescription model = generator.images().model();
            response.withData("bundle", model.bundle())
                    .withData("digest", model.digest())
                    .withData("device", model.device())
                    .withData("engine", model.engine())
                    .withData("compiled", model.compiled());
            model.uncompiled().ifPresent(reason -> response.withData("uncompiled", reason));
        }
        return response.build();
    }
}
