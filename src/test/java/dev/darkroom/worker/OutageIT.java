package dev.darkroom.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.darkroom.stack.EmbeddedStack;
import dev.darkroom.stack.Ports;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the packaged worker does while broker and store are away. */
@Timeout(240)
class OutageIT {

    private static final int REQUESTS = 16;

    @TempDir
    Path folder;

    @Test
    void anOutageOfBrokerAndStoreIsSatOut() {
        int kafkaPort = Ports.free();
        int storePort = Ports.free();
        Path data = folder.resolve("stack");
        EmbeddedStack stack = EmbeddedStack.start(kafkaPort, storePort, data);
        try (Topics topics = new Topics(stack.bootstrapServers());
                WorkerProcess worker = WorkerProcess.start(stack, folder, Map.of())) {
            List<String> ids = IntStream.range(0, REQUESTS).mapToObj(i -> "outage-" + i).toList();
            ids.forEach(id -> topics.send(new ProducerRecord<>(Topics.REQUESTS, id.getBytes(UTF_8),
                    "{\"requestId\": \"%s\", \"prompt\": \"a kiwi\", \"steps\": 12}".formatted(id).getBytes(UTF_8))));
            awaitOutcomes(topics, ids, 2);
            stack.close();
            await().during(Duration.ofSeconds(5)).atMost(Duration.ofSeconds(10)).until(worker::alive);
            stack = EmbeddedStack.start(kafkaPort, storePort, data);
            awaitOutcomes(topics, ids, ids.size());
            assertThat(worker.output()).doesNotContain("request=failed", "request=dead-lettered");
        } finally {
            stack.close();
        }
    }

    private static void awaitOutcomes(Topics topics, List<String> ids, int count) {
        await().atMost(Duration.ofSeconds(120)).until(() ->
                ids.stream().filter(id -> !topics.received(Topics.COMPLETIONS, id).isEmpty()).count() >= count);
    }
}
