package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.generate.ProcessExit;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import jakarta.enterprise.inject.Alternative;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A fault of the device ends the process; the request that met it is neither answered nor committed. */
@QuarkusTest
@TestProfile(DeviceFaultTest.SurvivedExit.class)
@WithTestResource(WorkerResource.class)
@Timeout(120)
class DeviceFaultTest {

    /** The end of the process is noted instead of suffered. */
    public static final class SurvivedExit implements QuarkusTestProfile {
        @Override
        public Set<Class<?>> getEnabledAlternatives() {
            return Set.of(NotedExit.class);
        }
    }

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
    FaultInjection faults;

    @Inject
    Claims claims;

    @Test
    void theProcessEndsAndTheRequestIsLeftToTheNext() throws Exception {
        topics.send("{\"requestId\": \"met-a-fault\", \"prompt\": \"%s\"}".formatted(FaultInjection.DEVICE_FAULT));

        assertThat(exit.noted.get(60, TimeUnit.SECONDS)).isInstanceOf(DeviceFaultException.class);
        await().during(Duration.ofSeconds(3)).atMost(Duration.ofSeconds(10)).until(() ->
                topics.committed() == 0 && topics.received(Topics.COMPLETIONS, "met-a-fault").isEmpty());
        assertThat(faults.attempts(FaultInjection.DEVICE_FAULT)).isEqualTo(1);
        assertThat(claims.count()).isZero();
    }
}
