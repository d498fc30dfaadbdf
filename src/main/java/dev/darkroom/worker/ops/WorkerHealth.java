package dev.darkroom.worker.ops;

import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.Retries;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.generate.Generator;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Produces;
import java.time.Duration;
import java.util.Optional;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.HealthCheckResponseBuilder;
import org.eclipse.microprofile.health.Liveness;
import org.eclipse.microprofile.health.Readiness;
import org.eclipse.microprofile.health.Startup;

/**
 * The worker's state for probes. Every check answers from memory: what takes time to find out is found out elsewhere.
 * Kafka never notices a wedged device, since SmallRye goes on polling; the liveness check is what does.
 */
@ApplicationScoped
class WorkerHealth {

    /** How long something may be tried in vain before the worker says that it is not ready. */
    private static final Duration PATIENCE = Duration.ofSeconds(15);

    private final Duration stuckAfter;
    private final Generator generator;
    private final StoreWatch store;
    private final KafkaWatch kafka;
    private final Retries retries;
    private final Claims claims;

    WorkerHealth(DarkroomConfig config, Generator generator, StoreWatch store, KafkaWatch kafka, Retries retries,
            Claims claims) {
        this.stuckAfter = config.flow().stuckAfter();
        this.generator = generator;
        this.store = store;
        this.kafka = kafka;
        this.retries = retries;
        this.claims = claims;
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

    /** Down when a record is left over that only a restart brings back. */
    @Produces
    @Liveness
    HealthCheck claiming() {
        return () -> response("claims", claims.givenUp());
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
        return () -> response("store", store.trouble());
    }

    /** Up while requests can be consumed and outcomes be published. */
    @Produces
    @Readiness
    HealthCheck messaging() {
        return () -> response("kafka", kafka.trouble());
    }

    /** Up unless something has been tried in vain for a while. */
    @Produces
    @Readiness
    HealthCheck trying() {
        return () -> response("retries", retries.waitingLongerThan(PATIENCE));
    }

    private static HealthCheckResponse response(String name, Optional<String> trouble) {
        HealthCheckResponseBuilder response = HealthCheckResponse.named(name).status(trouble.isEmpty());
        trouble.ifPresent(sentence -> response.withData("reason", sentence));
        return response.build();
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
