package dev.darkroom.worker.cancel;

import dev.darkroom.contract.Cancellation;
import dev.darkroom.worker.WorkerMetrics;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * The requests that were cancelled, as far as the worker knows and remembers: the last {@value #MOST}, for which some 20 MB
 * suffice. Of those that have their outcome already it is of no consequence. Thread-safe.
 */
@ApplicationScoped
public class Cancellations {

    static final int MOST = 100_000;

    private final Set<String> requestIds = Collections.synchronizedSet(Collections.newSetFromMap(new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > MOST;
        }
    }));

    public Cancellations(MeterRegistry metrics) {
        WorkerMetrics.gauge(metrics, "darkroom.cancellations", "Cancelled requests that the worker remembers", requestIds,
                Set::size);
    }

    void add(Cancellation cancellation) {
        requestIds.add(cancellation.requestId());
    }

    /** Whether the request with this id is not wanted any more. */
    public boolean contains(String requestId) {
        return requestIds.contains(requestId);
    }
}
