package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.MutatedRequests;
import dev.darkroom.contract.MutatedRequests.Mutated;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Thousands of requests that are nearly right, on both lanes, with cancellations as bad among them: an answer each. */
@QuarkusTest
@WithTestResource(WorkerResource.class)
@Timeout(180)
class MutatedRequestsTest {

    private static final int COUNT = Integer.getInteger("mutated.requests", 1_000);
    private static final long MOST_GROWTH = 64L << 20;
    private static final ObjectMapper JSON = new ObjectMapper();

    Topics topics;

    @Test
    void eachIsAnsweredOnceAsItsSchemaSays() throws IOException {
        List<Mutated> first = MutatedRequests.of(COUNT / 2, 1, "mutated-a-");
        List<Mutated> second = MutatedRequests.of(COUNT - COUNT / 2, 2, "mutated-b-");
        Map<String, ConsumerRecord<byte[], byte[]>> outcomes = answers(first);
        long before = usedMemory();
        outcomes.putAll(answers(second));
        assertThat(usedMemory() - before).as("growth of the heap, in bytes").isLessThan(MOST_GROWTH);

        Map<String, Integer> reasons = new HashMap<>();
        for (Mutated request : Stream.of(first, second).flatMap(List::stream).toList()) {
            ConsumerRecord<byte[], byte[]> outcome = outcomes.get(request.requestId());
            JsonNode event = JSON.readTree(outcome.value());
            String reason = event.path("reason").asText(header(outcome, "ce_type"));
            reasons.merge(reason, 1, Integer::sum);
            assertThat(!reason.equals("INVALID_REQUEST")).as("%s: %s", request.value(), event).isEqualTo(request.valid());
        }
        // The changes reach past the schema
        assertThat(reasons).containsKeys("INVALID_REQUEST", "UNSUPPORTED_PARAMETERS", "INVALID_INPUT");
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == topics.sent());
    }

    /** Sends requests, every fourth on the express lane and with a cancellation that is none; waits for all their answers. */
    private Map<String, ConsumerRecord<byte[], byte[]>> answers(List<Mutated> requests) {
        for (int i = 0; i < requests.size(); i++) {
            Mutated request = requests.get(i);
            topics.post(new ProducerRecord<>(i % 4 == 0 ? Topics.EXPRESS : Topics.REQUESTS, request.requestId().getBytes(UTF_8),
                    request.value().getBytes(UTF_8)));
            if (i % 4 == 0) {
                topics.post(new ProducerRecord<>(Topics.CANCELLATIONS, request.requestId().getBytes(UTF_8),
                        request.value().replace("requestId", "request").getBytes(UTF_8)));
            }
        }
        Set<String> ids = requests.stream().map(Mutated::requestId).collect(Collectors.toSet());
        Predicate<ConsumerRecord<byte[], byte[]>> ours = record -> ids.contains(header(record, "ce_subject"));
        await().atMost(Duration.ofSeconds(120)).until(() -> topics.received(Topics.COMPLETIONS, ours).size() >= ids.size());
        List<ConsumerRecord<byte[], byte[]>> outcomes = topics.received(Topics.COMPLETIONS, ours);
        assertThat(outcomes).map(record -> header(record, "ce_subject")).doesNotHaveDuplicates();
        return outcomes.stream().collect(Collectors.toMap(record -> header(record, "ce_subject"), record -> record));
    }

    private static long usedMemory() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }
}
