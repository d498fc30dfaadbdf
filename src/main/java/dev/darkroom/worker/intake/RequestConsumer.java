package dev.darkroom.worker.intake;

import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.Claims.Answer;
import dev.darkroom.worker.claim.Claims.Claimed;
import dev.darkroom.worker.claim.Claims.Closed;
import dev.darkroom.worker.claim.Lane;
import io.smallrye.common.annotation.Blocking;
import io.smallrye.reactive.messaging.kafka.IncomingKafkaRecord;
import io.smallrye.reactive.messaging.kafka.api.IncomingKafkaRecordMetadata;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.eclipse.microprofile.reactive.messaging.Acknowledgment;
import org.eclipse.microprofile.reactive.messaging.Incoming;

/**
 * Takes records off the topics of requests. It holds the next one of a lane back until there is a place for it, which pauses the
 * consumer behind it while SmallRye goes on polling; so the group keeps its partitions however long the work takes.
 * SmallRye acknowledges and commits nothing: what the claims are done with is committed by the claims' own count.
 */
@ApplicationScoped
class RequestConsumer {

    private final Claims claims;
    private final Intake intake;

    RequestConsumer(Claims claims, Intake intake) {
        this.claims = claims;
        this.intake = intake;
    }

    @Incoming("requests")
    @Blocking
    @Acknowledgment(Acknowledgment.Strategy.MANUAL)
    CompletionStage<Void> ordinary(IncomingKafkaRecord<byte[], byte[]> message) throws InterruptedException {
        return receive(Lane.ORDINARY, message);
    }

    @Incoming("express")
    @Blocking
    @Acknowledgment(Acknowledgment.Strategy.MANUAL)
    CompletionStage<Void> express(IncomingKafkaRecord<byte[], byte[]> message) throws InterruptedException {
        return receive(Lane.EXPRESS, message);
    }

    private CompletionStage<Void> receive(Lane lane, IncomingKafkaRecord<byte[], byte[]> message) throws InterruptedException {
        Answer answer = claims.claim(lane, record(message));
        if (answer instanceof Claimed claimed) {
            intake.admit(claimed.claim());
        }
        // The worker is closing: never asking for the next record is what stops the consumer
        return answer instanceof Closed ? new CompletableFuture<>() : CompletableFuture.completedFuture(null);
    }

    @SuppressWarnings("unchecked") // the metadata of this very message
    private static ConsumerRecord<byte[], byte[]> record(IncomingKafkaRecord<byte[], byte[]> message) {
        return message.getMetadata(IncomingKafkaRecordMetadata.class).orElseThrow().getRecord();
    }
}
