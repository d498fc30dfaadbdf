package dev.darkroom.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.EventType;
import dev.darkroom.contract.Events;
import io.cloudevents.core.builder.CloudEventBuilder;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

class ThroughputTest {

    private static final long NOW = 1_000_000_500L;

    private final ObjectMapper json = new ObjectMapper();
    private final Throughput throughput = new Throughput();

    @Test
    void theRateIsThatOfTheLastWholeSeconds() throws Exception {
        for (int i = 1; i <= 20; i++) {
            throughput.completed(completed(1), "/darkroom", NOW - 1000L * i);
        }
        throughput.completed(completed(1), "/darkroom", NOW - 500_000);
        throughput.completed(completed(1), "/darkroom", NOW);

        JsonNode told = told();
        assertThat(told.path("imagesPerSecond").asDouble()).isEqualTo(1);
        assertThat(StreamSupport.stream(told.path("rate").spliterator(), false).mapToInt(JsonNode::asInt).sum()).isEqualTo(20);
    }

    @Test
    void aSecondThatCameRoundAgainBeginsAtNought() throws Exception {
        throughput.completed(completed(1), "/darkroom", NOW - 1000L * Throughput.SECONDS - 2000);
        throughput.completed(completed(1), "/darkroom", NOW - 2000);

        assertThat(StreamSupport.stream(told().path("rate").spliterator(), false).mapToInt(JsonNode::asInt).sum()).isEqualTo(1);
    }

    @Test
    void stagesAreToldByMedianAndPercentile() throws Exception {
        for (int i = 1; i <= 100; i++) {
            throughput.completed(completed(i), "/darkroom", NOW);
        }

        JsonNode denoising = StreamSupport.stream(told().path("stages").spliterator(), false)
                .filter(stage -> stage.path("name").asText().equals("denoising")).findFirst().orElseThrow();
        assertThat(denoising.path("median").asDouble()).isEqualTo(50, within(0.01));
        assertThat(denoising.path("p95").asDouble()).isEqualTo(95, within(0.01));
        assertThat(told().path("stages").findValuesAsText("name")).doesNotContain("adapter switch");
    }

    @Test
    void workersAreKnownBySourceAndDevice() throws Exception {
        throughput.completed(completed(1), "/darkroom/b", NOW);
        throughput.completed(completed(1), "/darkroom/a", NOW - 5);
        throughput.completed(completed(1), "/darkroom/a", NOW);

        JsonNode workers = told().path("workers");
        assertThat(workers.findValuesAsText("source")).containsExactly("/darkroom/a", "/darkroom/b");
        assertThat(workers.get(0).path("images").asInt()).isEqualTo(2);
        assertThat(workers.get(0).path("heard").asLong()).isEqualTo(NOW);
    }

    private JsonNode told() {
        ObjectNode told = json.createObjectNode();
        throughput.tell(told, NOW);
        return told;
    }

    private Completed completed(double denoising) throws Exception {
        ObjectNode data = (ObjectNode) json.readTree(Files.readString(Path.of("schemas/examples/valid/completed-gpu.json")));
        ((ObjectNode) data.path("timings")).put("denoising", denoising);
        return (Completed) Events.outcome(CloudEventBuilder.v1().withId("i").withSource(URI.create("/darkroom"))
                .withType(EventType.COMPLETED.type())
                .withData("application/json", data.toString().getBytes(StandardCharsets.UTF_8)).build());
    }
}
