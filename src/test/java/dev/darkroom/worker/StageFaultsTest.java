package dev.darkroom.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.StepListener;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.generate.GeneratorSource;
import dev.darkroom.worker.generate.ProcessExit;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
import dev.darkroom.worker.store.StoredObject;
import io.micrometer.core.instrument.MeterRegistry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Alternative;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.header.Headers;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A bug anywhere on a request's way: the claim ends, the place is given back, and the next request gets its image. */
@QuarkusTest
@TestProfile(StageFaultsTest.Faulty.class)
@WithTestResource(WorkerResource.class)
@Timeout(120)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class StageFaultsTest {

    private static final String EXPECTED_BY_NOBODY = "injected: a bug";

    /** Where the next fault is; taken by whoever comes there first. */
    private static final AtomicReference<String> NEXT = new AtomicReference<>();
    private static volatile boolean error;

    /** The real parts, each with a point or more at which a bug can be put. */
    public static final class Faulty implements QuarkusTestProfile {
        @Override
        public Set<Class<?>> getEnabledAlternatives() {
            return Set.of(FaultyMetrics.class, FaultyTracing.class, FaultyStore.class, FaultyGenerator.class, NotedExit.class);
        }

        /** Progress would take the faults that are meant for outcomes. */
        @Override
        public Map<String, String> getConfigOverrides() {
            return Map.of("darkroom.progress.enabled", "false");
        }
    }

    private static void at(String point) {
        String next = NEXT.get();
        if (point.equals(next) && NEXT.compareAndSet(next, null)) {
            if (point.equals("generator.device")) {
                throw new DeviceFaultException("CUDA error: an illegal memory access", null);
            }
            if (error) {
                throw new StackOverflowError(EXPECTED_BY_NOBODY);
            }
            throw new IllegalStateException(EXPECTED_BY_NOBODY);
        }
    }

    @Alternative
    @Singleton
    static class FaultyMetrics extends WorkerMetrics {
        FaultyMetrics(MeterRegistry registry) {
            super(registry);
        }

        @Override
        public void outcome(String lane, String outcome, String reason) {
            at("metrics.outcome");
            super.outcome(lane, outcome, reason);
        }

        @Override
        public void stage(String stage, Duration duration) {
            at("metrics." + stage);
            super.stage(stage, duration);
        }

        @Override
        public void batch(int images, Duration busy) {
            at("metrics.batch");
            super.batch(images, busy);
        }
    }

    @Alternative
    @Singleton
    static class FaultyTracing extends Tracing {
        @Inject
        FaultyTracing(OpenTelemetry openTelemetry) {
            super(openTelemetry);
        }

        @Override
        public void stage(Span request, String stage, Instant start, Instant end) {
            at("tracing.stage");
            super.stage(request, stage, start, end);
        }

        @Override
        public void inject(Span request, Headers received, Headers event) {
            at("tracing.inject");
            super.inject(request, received, event);
        }

        @Override
        public void end(Span request, String outcome, boolean failed) {
            at("tracing.end");
            super.end(request, outcome, failed);
        }
    }

    @Alternative
    @Singleton
    static class FaultyStore {
        @Produces
        @Alternative
        @ApplicationScoped
        ImageStore store(DarkroomConfig config) {
            DarkroomConfig.Store store = config.store();
            ImageStore real = new MinioImageStore(new StoreSettings(store.endpoint(), store.region(), store.bucket(),
                    store.accessKey().orElseThrow(), store.secretKey().orElseThrow(), store.pathStyle(), store.createBucket(),
                    store.connectTimeout(), store.readTimeout()));
            return new ImageStore() {
                @Override
                public URI link(String key, Duration validity) {
                    return real.link(key, validity);
                }

                @Override
                public StoredObject putIfAbsent(String key, byte[] content, String type, Map<String, String> metadata) {
                    at("store.put." + key.split("/")[0]);
                    return real.putIfAbsent(key, content, type, metadata);
                }

                @Override
                public Optional<StoredObject> find(String key) {
                    at("store.find." + key.split("/")[0]);
                    return real.find(key);
                }

                @Override
                public Optional<byte[]> get(String key) {
                    at("store.get." + key.split("/")[0]);
                    return real.get(key);
                }

                @Override
                public Optional<byte[]> read(String bucket, String key, int mostBytes) {
                    return real.read(bucket, key, mostBytes);
                }

                @Override
                public void open() {
                    real.open();
                }

                @Override
                public void ping() {
                    real.ping();
                }

                @Override
                public void close() {
                    real.close();
                }
            };
        }
    }

    @Alternative
    @Singleton
    static class FaultyGenerator extends GeneratorSource {
        FaultyGenerator(DarkroomConfig config) {
            super(config);
        }

        @Override
        public ImageGenerator open() {
            ImageGenerator real = super.open();
            return new ImageGenerator() {
                @Override
                public GenerationResult generate(
                        GenerationParameters parameters, List<ImagePrompt> prompts, StepListener listener) {
                    at("generator.generate");
                    at("generator.device");
                    return real.generate(parameters, prompts, listener);
                }

                @Override
                public ModelDescription model() {
                    return real.model();
                }

                @Override
                public void check(GenerationParameters parameters) {
                    at("generator.check");
                    real.check(parameters);
                }

                @Override
                public GenerationParameters reading(GenerationParameters parameters, List<ImagePrompt> prompts) {
                    return real.reading(parameters, prompts);
                }

                @Override
                public void close() {
                    real.close();
                }
            };
        }
    }

    /** The end of the process is noted instead of suffered. */
    @Alternative
    @Singleton
    static class NotedExit extends ProcessExit {

        private final CompletableFuture<Throwable> noted = new CompletableFuture<>();

        @Override
        protected void now(Throwable fault) {
            noted.complete(fault);
        }
    }

    Topics topics;

    @Inject
    NotedExit exit;

    @Inject
    Claims claims;

    @Order(1)
    @ParameterizedTest
    @CsvSource({
        "store.get.outcomes, false", "store.get.outcomes, true", "store.get.attempts, false", "store.find.images, true",
        "generator.check, false", "generator.check, true", "generator.generate, false", "metrics.batch, false",
        "metrics.queue_wait, false", "metrics.upload, true", "tracing.stage, false",
        "store.put.images, false", "store.put.images, true", "store.put.outcomes, false", "store.put.outcomes, true",
        "tracing.inject, false", "tracing.inject, true", "metrics.outcome, false", "tracing.end, false"
    })
    void aBugEndsTheClaimAndNothingElse(String point, boolean isError) {
        String id = "met-a-bug-" + UUID.randomUUID();
        String json = "{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 1}".formatted(id);
        error = isError;
        NEXT.set(point);
        topics.send(json);

        await().atMost(Duration.ofSeconds(30)).until(() -> NEXT.get() == null && claims.count() == 0);
        await().atMost(Duration.ofSeconds(30)).until(() -> !topics.received(Topics.COMPLETIONS, id).isEmpty()
                || !topics.received(Topics.DEAD_LETTERS, dead -> new String(dead.value(), UTF_8).equals(json)).isEmpty());
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == topics.sent());
        assertThat(claims.givenUp()).isEmpty();
    }

    /** The last, since no generator is left after it. */
    @Order(2)
    @Test
    void aFaultOfTheDeviceEndsTheProcessAndLeavesTheRequestToTheNext() throws Exception {
        long committed = topics.committed();
        NEXT.set("generator.device");
        topics.send("{\"requestId\": \"met-a-fault\", \"prompt\": \"a lime\"}");

        assertThat(exit.noted.get(60, TimeUnit.SECONDS)).isInstanceOf(DeviceFaultException.class);
        await().during(Duration.ofSeconds(3)).atMost(Duration.ofSeconds(10)).until(() ->
                topics.committed() == committed && topics.received(Topics.COMPLETIONS, "met-a-fault").isEmpty());
        assertThat(claims.count()).isZero();
    }
}
