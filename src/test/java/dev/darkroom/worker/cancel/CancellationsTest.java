package dev.darkroom.worker.cancel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.contract.Cancellation;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import org.junit.jupiter.api.Test;

class CancellationsTest {

    private final SimpleMeterRegistry metrics = new SimpleMeterRegistry();
    private final Cancellations cancellations = new Cancellations(metrics);

    @Test
    void theOldestAreForgottenWhereThereAreTooMany() {
        for (int i = 0; i <= Cancellations.MOST; i++) {
            cancellations.add(new Cancellation("request-" + i));
        }

        assertThat(cancellations.contains("request-0")).isFalse();
        assertThat(cancellations.contains("request-1")).isTrue();
        assertThat(cancellations.contains("request-" + Cancellations.MOST)).isTrue();
        assertThat(metrics.get("darkroom.cancellations").gauge().value()).isEqualTo(Cancellations.MOST);
    }
}
