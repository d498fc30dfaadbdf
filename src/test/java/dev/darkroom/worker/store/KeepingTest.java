package dev.darkroom.worker.store;

import static dev.darkroom.worker.Topics.header;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.FaultInjection;
import dev.darkroom.worker.Records;
import dev.darkroom.worker.Topics;
import dev.darkroom.worker.WorkerResource;
import io.minio.MinioClient;
import io.minio.RemoveObjectArgs;
import io.quarkus.test.common.ResourceArg;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Where images are kept, for how long, and who gets them by a link. */
@QuarkusTest
@WithTestResource(value = WorkerResource.class, initArgs = {
    @ResourceArg(name = "darkroom.bundle", value = "src/test/resources/golden/pictures/bundle"),
    @ResourceArg(name = "darkroom.store.prefix", value = "team-a/darkroom"),
    @ResourceArg(name = "darkroom.store.retention", value = "2d")
})
@Timeout(180)
class KeepingTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String PREFIX = "team-a/darkroom/";

    Topics topics;
    Stack stack;

    @Inject
    FaultInjection faults;

    @Test
    void whoHasTheLinkOfAnEventGetsTheImageAndAReplayRepeatsIt() throws Exception {
        String id = id();
        String request = request(id, "a lime", "1h");
        topics.send(request);
        topics.send(request);

        List<ConsumerRecord<byte[], byte[]>> outcomes = topics.outcomes(id, 2);
        assertThat(outcomes.get(1).value()).isEqualTo(outcomes.get(0).value());
        JsonNode image = image(outcomes.get(0));
        assertThat(time(image.at("/link/expires"))).isBetween(Instant.now().plus(50, ChronoUnit.MINUTES),
                Instant.now().plus(1, ChronoUnit.HOURS));
        HttpResponse<byte[]> answer = HttpClient.newHttpClient().send(
                HttpRequest.newBuilder(URI.create(image.at("/link/url").asText())).build(),
                HttpResponse.BodyHandlers.ofByteArray());
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(Sha256.hex(answer.body())).isEqualTo(image.get("sha256").asText());

        topics.send(request(id, "a lime", "2h"));
        assertThat(json(topics.outcomes(id, 3).get(2)).get("reason").asText()).isEqualTo("REQUEST_ID_REUSED");
    }

    @Test
    void noLinkOutlivesItsImageAndNoneIsGivenUnasked() {
        String id = id();
        topics.send(request(id, "a lime", "7d"));
        JsonNode image = image(topics.outcome(id));

        assertThat(time(image.get("expires"))).isBetween(Instant.now().plus(47, ChronoUnit.HOURS),
                Instant.now().plus(48, ChronoUnit.HOURS));
        assertThat(image.at("/link/expires")).isEqualTo(image.get("expires"));

        String without = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 2}".formatted(without));
        assertThat(image(topics.outcome(without)).has("link")).isFalse();
    }

    @Test
    void imagesBelowThePrefixAreFoundWhereTheirWorkerDidNotLiveToTellOfThem() throws Exception {
        String id = id();
        String prompt = "a quince " + id;
        topics.send(request(id, prompt, "1h"));
        JsonNode told = image(topics.outcome(id));
        assertThat(told.get("key").asText()).startsWith(PREFIX + "images/");
        remove(outcome(id, prompt));
        topics.send(request(id, prompt, "1h"));

        JsonNode again = image(topics.outcomes(id, 2).get(1));
        assertThat(again.get("key")).isEqualTo(told.get("key"));
        assertThat(again.get("sha256")).isEqualTo(told.get("sha256"));
        assertThat(Duration.between(time(told.get("expires")), time(again.get("expires"))).abs())
                .isLessThan(Duration.ofSeconds(10));
        assertThat(faults.attempts(prompt)).isEqualTo(1);
    }

    /** What the store's lifecycle rules do, image first. */
    @Test
    void aRequestThatComesAgainWhenItsOutcomeIsGoneTooIsGeneratedAgainToTheSameImage() throws Exception {
        String id = id();
        String prompt = "a medlar " + id;
        topics.send(request(id, prompt, "1h"));
        ConsumerRecord<byte[], byte[]> first = topics.outcome(id);
        remove(image(first).get("key").asText());
        topics.send(request(id, prompt, "1h"));
        assertThat(topics.outcomes(id, 2).get(1).value()).isEqualTo(first.value());

        remove(outcome(id, prompt));
        topics.send(request(id, prompt, "1h"));
        ConsumerRecord<byte[], byte[]> again = topics.outcomes(id, 3).get(2);
        assertThat(header(again, "ce_id")).isEqualTo(header(first, "ce_id"));
        assertThat(header(again, "ce_time")).isNotEqualTo(header(first, "ce_time"));
        assertThat(image(again).get("sha256")).isEqualTo(image(first).get("sha256"));
        assertThat(faults.attempts(prompt)).isEqualTo(2);
    }

    private static String id() {
        return "kept-" + UUID.randomUUID();
    }

    private static String request(String id, String prompt, String link) {
        return "{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 2, \"output\": {\"link\": \"%s\"}}".formatted(
                id, prompt, link);
    }

    private static String outcome(String id, String prompt) {
        return PREFIX + ObjectKeys.outcome(Records.read(request(id, prompt, "1h")).identity());
    }

    private void remove(String key) throws Exception {
        try (MinioClient client = MinioClient.builder().endpoint(stack.storeEndpoint().toString())
                .credentials(stack.accessKey(), stack.secretKey()).build()) {
            client.removeObject(RemoveObjectArgs.builder().bucket("darkroom").object(key).build());
        }
    }

    private static Instant time(JsonNode text) {
        return Instant.parse(text.asText());
    }

    private static JsonNode image(ConsumerRecord<byte[], byte[]> completed) {
        return json(completed).at("/images/0");
    }

    private static JsonNode json(ConsumerRecord<byte[], byte[]> record) {
        try {
            return JSON.readTree(record.value());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
