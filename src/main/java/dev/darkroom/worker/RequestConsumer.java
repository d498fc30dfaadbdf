package dev.darkroom.worker;

import io.smallrye.common.annotation.Blocking;
import io.smallrye.reactive.messaging.kafka.IncomingKafkaRecord;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.eclipse.microprofile.reactive.messaging.Acknowledgment;
import org.eclipse.microprofile.reactive.messaging.Incoming;

/**
 * Takes records off the request topic. It holds the next one back until a place is free, which pauses the consumer
 * behind it while SmallRye goes on polling; so the group keeps its partitions however long the work takes.
 */
@ApplicationScoped
class RequestConsumer {

    private final InFlight inFlight;
    private final Admission admission;
    private final Tracing tracing;

    RequestConsumer(InFlight inFlight, Admission admission, Tracing tracing) {
        this.inFlight = inFlight;
        this.admission = admission;
        this.tracing = tracing;
    }

    @Incoming("requests")
    @Blocking
    @Acknowledgment(Acknowledgment.Strategy.MANUAL)
    CompletionStage<Void> receive(IncomingKafkaRecord<byte[], byte[]> record) throws InterruptedException {
        SourceRecord source = new SourceRecord(record,
                tracing.start(record.getTopic(), record.getPartition(), record.getOffset(), record.getHeaders()));
        if (!inFlight.enter(source)) {
            // The worker is closing: never asking for the next record is what stops the consumer
            return new CompletableFuture<>();
        }
        admission.admit(source);
        return CompletableFuture.completedFuture(null);
    }
}
