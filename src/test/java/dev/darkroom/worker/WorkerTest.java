package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.Darkroom;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.outcome.IdempotencyStore;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The flow and what it promises, against a real broker, a real store and the real pipeline. */
@QuarkusTest
@WithTestResource(WorkerResource.class)
@Timeout(180)
class WorkerTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    Topics topics;
    StoreGate gate;
    Stack stack;

    @Inject
    FaultInjection faults;

    @Inject
    IdempotencyStore idempotency;

    @TestHTTPResource("/")
    URI http;

    @AfterEach
    void openTheGate() {
        gate.open();
    }

    @Test
    void aRequestBecomesAnImageAndItsCompletedEvent() throws Exception {
        String id = id();
        topics.send("""
                {"requestId": "%s", "prompt": "a red apple on a teal background", "seed": 7, "metadata": {"sku": "42"}}
                """.formatted(id));

        ConsumerRecord<byte[], byte[]> outcome = topics.outcome(id);
        assertThat(outcome.key()).asString().isEqualTo("a key");
        assertThat(header(outcome, "ce_id")).isEqualTo(id + ".completed");
        assertThat(header(outcome, "ce_type")).isEqualTo("dev.darkroom.image.completed.v1");
        assertThat(header(outcome, "ce_source")).isEqualTo("/darkroom");
        JsonNode completed = JSON.readTree(outcome.value());
        assertThat(completed.at("/parameters/profile").asText()).isEqualTo("final");
        assertThat(completed.at("/parameters/steps").asInt()).isEqualTo(20);
        assertThat(completed.at("/timings/denoising").asDouble()).isPositive();
        assertThat(completed.at("/timings/total").asDouble())
                .isGreaterThanOrEqualTo(completed.at("/timings/denoising").asDouble());
        assertThat(completed.at("/model/compiled").asBoolean()).isFalse();
        assertThat(completed.has("vram")).isFalse();
        assertThat(completed.at("/provenance/digitalSourceType").asText()).endsWith("/trainedAlgorithmicMedia");
        assertThat(completed.at("/provenance/promptSha256").asText())
                .isEqualTo(Sha256.hex("a red apple on a teal background"));
        assertThat(completed.at("/metadata/sku").asText()).isEqualTo("42");

        JsonNode image = completed.at("/images/0");
        assertThat(image.get("seed").asLong()).isEqualTo(7);
        byte[] file = stored(image.get("key").asText());
        assertThat(image.get("sha256").asText()).isEqualTo(Sha256.hex(file));
        assertThat(image.get("bytes").asLong()).isEqualTo(file.length);
        assertThat(ImageIO.read(new ByteArrayInputStream(file)).getWidth()).isEqualTo(image.get("width").asInt());
        assertThat(new String(file, StandardCharsets.ISO_8859_1)).contains("parameters", "Sampler: DPM++ 2M",
                "XML:com.adobe.xmp", completed.at("/provenance/digitalSourceType").asText(),
                completed.at("/provenance/promptSha256").asText());
    }

    @Test
    void progressIsToldFromTheStart() {
        String id = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a pear\", \"profile\": \"dpm-20\"}".formatted(id));
        topics.outcome(id);

        await().atMost(Duration.ofSeconds(10)).until(() -> topics.received(Topics.PROGRESS, id).size() > 1);
        List<JsonNode> steps = topics.received(Topics.PROGRESS, id).stream().map(WorkerTest::json).toList();
        assertThat(steps.get(0).get("state").asText()).isEqualTo("started");
        assertThat(steps).allSatisfy(step -> assertThat(step.get("total").asInt()).isEqualTo(20));
        assertThat(steps).extracting(step -> step.get("step").asInt()).isSorted();
    }

    @Test
    void theTraceContextIsPassedOn() {
        String id = id();
        var record = new ProducerRecord<byte[], byte[]>(Topics.REQUESTS, null,
                "{\"requestId\": \"%s\", \"prompt\": \"a pear\", \"steps\": 1}".formatted(id).getBytes(UTF_8));
        record.headers().add("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".getBytes(UTF_8));
        record.headers().add("tracestate", "vendor=1".getBytes(UTF_8));
        topics.send(record);

        ConsumerRecord<byte[], byte[]> outcome = topics.outcome(id);
        assertThat(outcome.key()).isNull();
        assertThat(header(outcome, "traceparent")).contains("4bf92f3577b34da6a3ce929d0e0e4736");
        assertThat(header(outcome, "tracestate")).isEqualTo("vendor=1");
    }

    /** The tests' bundle offers 77 and 154 tokens; each of these is 3. */
    @ParameterizedTest
    @CsvSource({"25, plain, 77, false", "26, plain, 154, false", "50, weighted, 154, false", "51, plain, 154, true"})
    void aPromptIsReadAsFarAsTheBundleOffers(int times, String syntax, int tokens, boolean cut) {
        String id = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"%s\", \"promptSyntax\": \"%s\", \"steps\": 1}".formatted(
                id, (syntax.equals("plain") ? "a rocket, " : "(a rocket:1.2), ").repeat(times).strip(), syntax));

        JsonNode completed = json(topics.outcome(id));
        assertThat(completed.at("/parameters/promptTruncated").asBoolean()).isEqualTo(cut);
        assertThat(completed.at("/parameters/promptTokens").asInt()).isEqualTo(tokens);
    }

    @Test
    void compatibleRequestsThatWaitAreGeneratedInOneBatch() {
        String blocker = id();
        long before = faults.attempts(FaultInjection.SILENCE);
        topics.send(request(blocker, FaultInjection.SILENCE));
        await().atMost(Duration.ofSeconds(30)).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        List<String> ids = IntStream.range(0, 6).mapToObj(i -> id()).toList();
        ids.forEach(id -> topics.send(request(id, "a plum " + id)));
        String other = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a plum\", \"steps\": 3}".formatted(other));
        await().atMost(Duration.ofSeconds(20)).until(() -> metric("darkroom_backlog") == 7);
        faults.breakSilence();

        ids.forEach(id -> assertThat(json(topics.outcome(id)).at("/timings/batchSize").asInt()).isGreaterThan(1));
        assertThat(json(topics.outcome(other)).at("/timings/batchSize").asInt()).isEqualTo(1);
    }

    @Test
    void requestsWithTheSameAdaptersShareABatchWhoseEventsTellTheSwitch() throws Exception {
        String blocker = id();
        long before = faults.attempts(FaultInjection.SILENCE);
        topics.send(request(blocker, FaultInjection.SILENCE));
        await().atMost(Duration.ofSeconds(30)).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        double switches = metric("darkroom_adapter_switches_total");
        String ink = "[{\"name\": \"ink\", \"scale\": 0.5}]";
        List<String> adapted = List.of(id(), id());
        List<String> plain = List.of(id(), id());
        for (int i = 0; i < 2; i++) {
            topics.send(withAdapters(adapted.get(i), "final", ink));
            topics.send(withAdapters(plain.get(i), "final", "[]"));
        }
        await().atMost(Duration.ofSeconds(20)).until(() -> metric("darkroom_backlog") == 4);
        faults.breakSilence();

        assertThat(adapted).allSatisfy(id -> {
            JsonNode completed = json(topics.outcome(id));
            assertThat(completed.at("/parameters/adapters/0/name").asText()).isEqualTo("ink");
            assertThat(completed.at("/parameters/adapters/0/scale").asDouble()).isEqualTo(0.5);
            assertThat(completed.at("/timings/batchSize").asInt()).isEqualTo(2);
            assertThat(completed.at("/timings/adapterSwitch").asDouble()).isPositive();
            assertThat(new String(stored(completed.at("/images/0/key").asText()), StandardCharsets.ISO_8859_1))
                    .contains("ink:0.5");
        });
        assertThat(plain).allSatisfy(id -> {
            JsonNode completed = json(topics.outcome(id));
            assertThat(completed.at("/parameters").has("adapters")).isFalse();
            assertThat(completed.at("/timings/batchSize").asInt()).isEqualTo(2);
        });
        // To the adapter, and back if the plain ones came second
        assertThat(metric("darkroom_adapter_switches_total")).isGreaterThanOrEqualTo(switches + 1);
    }

    @Test
    void anUnknownAdapterFailsWithThoseThatAreThere() {
        String id = id();
        topics.send(withAdapters(id, "final", "[{\"name\": \"oil\"}]"));

        JsonNode failed = json(topics.outcome(id));
        assertThat(failed.get("reason").asText()).isEqualTo("UNSUPPORTED_PARAMETERS");
        assertThat(failed.get("field").asText()).isEqualTo("adapters");
        assertThat(failed.get("message").asText()).isEqualTo("There is no adapter oil; the model mini has ink, wash.");
    }

    @Test
    void aProfileOfFewStepsSaysWhichAdapterItAdded() {
        String id = id();
        topics.send(withAdapters(id, "fast", "[{\"name\": \"ink\", \"scale\": -1}]"));

        JsonNode completed = json(topics.outcome(id));
        assertThat(completed.at("/timings/steps").asInt()).isEqualTo(4);
        assertThat(completed.at("/parameters/guidance/scale").asDouble()).isEqualTo(1);
        assertThat(completed.at("/parameters/adapters")).extracting(
                adapter -> adapter.get("name").asText() + " " + adapter.get("scale").asDouble())
                .containsExactly("ink -1.0", "wash 1.0");
    }

    private static String withAdapters(String id, String profile, String adapters) {
        return "{\"requestId\": \"%s\", \"prompt\": \"a plum\", \"profile\": \"%s\", \"adapters\": %s}"
                .formatted(id, profile, adapters);
    }

    @Test
    void aReplayIsAnsweredFromTheStoreWithTheWholeOriginalEvent() {
        String id = id();
        String prompt = "a replayed cherry " + id;
        topics.send(request(id, prompt));
        topics.outcome(id);
        topics.send(request(id, prompt));

        List<ConsumerRecord<byte[], byte[]>> outcomes = topics.outcomes(id, 2);
        assertThat(outcomes.get(1).value()).isEqualTo(outcomes.get(0).value());
        assertThat(header(outcomes.get(1), "ce_id")).isEqualTo(header(outcomes.get(0), "ce_id"));
        assertThat(header(outcomes.get(1), "ce_time")).isEqualTo(header(outcomes.get(0), "ce_time"));
        assertThat(faults.attempts(prompt)).isEqualTo(1);
    }

    @Test
    void twoCopiesUnderWayAtOnceAreGeneratedOnce() {
        String id = id();
        String prompt = "a twin cherry " + id;
        topics.send(request(id, prompt));
        topics.send(request(id, prompt));

        List<ConsumerRecord<byte[], byte[]>> outcomes = topics.outcomes(id, 2);
        assertThat(outcomes.get(1).value()).isEqualTo(outcomes.get(0).value());
        assertThat(faults.attempts(prompt)).isEqualTo(1);
    }

    @Test
    void aRequestIdStandsForOneRequestOnly() {
        String id = id();
        topics.send(request(id, "a lime"));
        topics.outcome(id);
        topics.send(request(id, "a lemon"));

        JsonNode failed = json(topics.outcomes(id, 2).get(1));
        assertThat(failed.get("reason").asText()).isEqualTo("REQUEST_ID_REUSED");
        assertThat(failed.get("field").asText()).contains("requestId");
    }

    @Test
    void whatBreaksTheContractGetsAFailedEventThatNamesTheField() {
        String id = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 151}".formatted(id));

        JsonNode failed = json(topics.outcome(id));
        assertThat(failed.get("reason").asText()).isEqualTo("INVALID_REQUEST");
        assertThat(failed.get("field").asText()).contains("steps");
        assertThat(failed.get("message").asText()).contains("150");
        assertThat(failed.get("retryable").asBoolean()).isFalse();
    }

    @Test
    void whatTheModelDoesNotOfferGetsAFailedEventThatSaysWhatItDoes() {
        String id = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"width\": 1024, \"height\": 1024}".formatted(id));

        JsonNode failed = json(topics.outcome(id));
        assertThat(failed.get("reason").asText()).isEqualTo("UNSUPPORTED_PARAMETERS");
        assertThat(failed.get("field").asText()).contains("width");
        assertThat(failed.get("message").asText()).contains("128x128");
    }

    @Test
    void emphasisIsReadAndAWeightThatIsNotOnOfferFails() {
        String id = id();
        String request = "{\"requestId\": \"%s\", \"prompt\": \"a (lime:%s)\", \"promptSyntax\": \"weighted\", \"steps\": 1}";
        topics.send(request.formatted(id, "1.3"));
        topics.send(request.formatted(id + "-99", "99"));

        assertThat(json(topics.outcome(id)).at("/parameters/promptSyntax").asText()).isEqualTo("weighted");
        JsonNode failed = json(topics.outcome(id + "-99"));
        assertThat(failed.get("reason").asText()).isEqualTo("UNSUPPORTED_PARAMETERS");
        assertThat(failed.get("field").asText()).isEqualTo("prompt");
        assertThat(failed.get("message").asText()).isEqualTo("In the prompt a weight must be from 0 to 10, but is 99.0.");
    }

    @Test
    void aRequestWhoseDeadlineHasPassedExpires() {
        String id = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"deadline\": \"%s\"}"
                .formatted(id, Instant.now().minusSeconds(1)));

        assertThat(json(topics.outcome(id)).get("reason").asText()).isEqualTo("EXPIRED");
    }

    @Test
    void aReplayAfterTheDeadlineIsStillAnsweredWithItsImage() {
        String id = id();
        String request = "{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 2, \"deadline\": \"%s\"}";
        topics.send(request.formatted(id, Instant.now().plusSeconds(60)));
        topics.outcome(id);
        // The deadline says until when, not what: this is the same request, later
        topics.send(request.formatted(id, Instant.now().minusSeconds(1)));

        assertThat(header(topics.outcomes(id, 2).get(1), "ce_id")).isEqualTo(id + ".completed");
    }

    @Test
    void whatCannotBeDecodedGoesToTheDeadLetterTopicWithTheReason() {
        byte[] value = ("not json " + id()).getBytes(UTF_8);
        topics.send(new ProducerRecord<>(Topics.REQUESTS, "k".getBytes(UTF_8), value));

        ConsumerRecord<byte[], byte[]> dead = topics.deadLetter(value);
        assertThat(dead.key()).asString().isEqualTo("k");
        assertThat(header(dead, "dead-letter-reason")).isNotBlank();
        assertThat(header(dead, "dead-letter-topic")).isEqualTo(Topics.REQUESTS);
        assertThat(header(dead, "dead-letter-partition")).matches("\\d+");
        assertThat(header(dead, "dead-letter-offset")).matches("\\d+");
    }

    @Test
    void aDeadLetterThatIsSentAgainIsLookedAtAgain() {
        String token = "w" + UUID.randomUUID().toString().replace("-", "");
        byte[] value = token.getBytes(UTF_8);
        topics.send(new ProducerRecord<>(Topics.REQUESTS, "k".getBytes(UTF_8), value));
        topics.deadLetter(value);

        assertThat(Darkroom.run("redrive", "--bootstrap-servers", stack.bootstrapServers(), "--reason", token)).isZero();

        await().atMost(Duration.ofSeconds(30)).until(() -> topics.received(Topics.DEAD_LETTERS,
                dead -> Arrays.equals(dead.value(), value)).size() == 2);
        assertThat(topics.received(Topics.DEAD_LETTERS, dead -> Arrays.equals(dead.value(), value)))
                .allSatisfy(dead -> assertThat(dead.key()).asString().isEqualTo("k"))
                .extracting(dead -> header(dead, "dead-letter-offset")).doesNotHaveDuplicates();
    }

    @Test
    void severalImagesCountTheirSeedsUp() {
        String id = id();
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 2, \"count\": 3, \"seed\": 41}".formatted(id));

        JsonNode images = json(topics.outcome(id)).get("images");
        assertThat(images).extracting(image -> image.get("seed").asLong()).containsExactly(41L, 42L, 43L);
        assertThat(images).extracting(image -> image.get("key").asText()).doesNotHaveDuplicates();
    }

    @Test
    void imagesAreWrittenInTheFormatAskedFor() throws Exception {
        for (String format : List.of("jpeg", "webp")) {
            String id = id();
            topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 2, \"output\": {\"format\": \"%s\"}}"
                    .formatted(id, format));
            String key = json(topics.outcome(id)).at("/images/0/key").asText();
            assertThat(ImageIO.read(new ByteArrayInputStream(stored(key))).getWidth()).isEqualTo(128);
        }
    }

    @Test
    void whileTheStoreIsAwayConsumptionPausesAndNothingIsGeneratedTwice() {
        String warmUp = id();
        topics.send(request(warmUp, "a lime"));
        topics.outcome(warmUp);
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == topics.sent());
        long committed = topics.committed();
        // Thirty requests, of which sixteen can be under way
        List<String> ids = IntStream.range(0, 30).mapToObj(i -> id()).toList();
        gate.shut();
        ids.forEach(id -> topics.send(request(id, "a fig " + id)));
        await().atMost(Duration.ofSeconds(20)).until(() -> metric("darkroom_in_flight") == 16);
        await().during(Duration.ofSeconds(3)).atMost(Duration.ofSeconds(20))
                .until(() -> topics.committed() == committed && metric("darkroom_in_flight") == 16);
        gate.open();

        ids.forEach(id -> assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".completed"));
        assertThat(ids).allSatisfy(id -> assertThat(faults.attempts("a fig " + id)).isEqualTo(1));
    }

    @Test
    void afterAnOutageOfTheStoreAnotherWorkerHasTimeToStoreWhatItHolds() throws Exception {
        String id = id();
        String prompt = "a plum " + id;
        gate.shut();
        topics.send(request(id, prompt));
        // So long that it is an outage
        await().during(Duration.ofSeconds(3)).atMost(Duration.ofSeconds(10))
                .until(() -> topics.received(Topics.COMPLETIONS, id).isEmpty());
        String lookUps = "darkroom_store_operation_seconds_count{operation=\"get\",outcome=\"ok\"}";
        double before = metric(lookUps);
        gate.open();
        // The worker has seen that the request has no outcome, when the other one writes it down
        await().atMost(Duration.ofSeconds(20)).until(() -> metric(lookUps) > before);
        GenerationRequest request = Records.read(request(id, prompt));
        idempotency.conclude(new Job(null, request), new Events("/darkroom").of(new Failed(id, FailureReason.EXPIRED,
                Optional.of("deadline"), "Too late.", Map.of()), Instant.now()));

        assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".failed");
        assertThat(faults.attempts(prompt)).isZero();
    }

    @Test
    void anImageInHandOutlastsAnOutageOfTheStore() {
        long before = faults.attempts(FaultInjection.SILENCE);
        String id = id();
        topics.send(request(id, FaultInjection.SILENCE));
        await().atMost(Duration.ofSeconds(30)).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        gate.shut();
        faults.breakSilence();
        await().during(Duration.ofSeconds(3)).atMost(Duration.ofSeconds(10))
                .until(() -> topics.received(Topics.COMPLETIONS, id).isEmpty());
        gate.open();

        assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".completed");
        assertThat(faults.attempts(FaultInjection.SILENCE)).isEqualTo(before + 1);
    }

    @Test
    void theDevicesWantOfMemoryIsTold() {
        String id = id();
        topics.send(request(id, FaultInjection.OUT_OF_MEMORY));

        JsonNode failed = json(topics.outcome(id));
        assertThat(failed.get("reason").asText()).isEqualTo("OUT_OF_MEMORY");
        assertThat(failed.get("retryable").asBoolean()).isTrue();
    }

    @Test
    void oneRequestsFailureIsNotThatOfItsBatch() {
        String blocker = id();
        long before = faults.attempts(FaultInjection.SILENCE);
        topics.send(request(blocker, FaultInjection.SILENCE));
        await().atMost(Duration.ofSeconds(30)).until(() -> faults.attempts(FaultInjection.SILENCE) > before);
        String good = id();
        String bad = id();
        topics.send(request(good, "a plum"));
        topics.send(request(bad, FaultInjection.FAILURE));
        await().atMost(Duration.ofSeconds(20)).until(() -> metric("darkroom_backlog") == 2);
        faults.breakSilence();

        assertThat(json(topics.outcome(bad)).get("reason").asText()).isEqualTo("GENERATION_FAILED");
        assertThat(header(topics.outcome(good), "ce_id")).isEqualTo(good + ".completed");
    }

    @Test
    void aRequestThatKeepsEndingTheProcessIsGivenUp() {
        String id = id();
        String json = request(id, "a poisonous mushroom");
        for (int attempt = 0; attempt < 3; attempt++) {
            idempotency.countAttempt(Records.read(json).identity());
        }
        topics.send(json);

        assertThat(json(topics.outcome(id)).get("reason").asText()).isEqualTo("TOO_MANY_ATTEMPTS");
        assertThat(header(topics.deadLetter(json.getBytes(UTF_8)), "dead-letter-reason"))
                .contains("3 attempts");
        assertThat(faults.attempts("a poisonous mushroom")).isZero();
    }

    @Test
    void aSuspectGetsAnotherChance() {
        String id = id();
        String json = request(id, "a suspicious mushroom");
        idempotency.countAttempt(Records.read(json).identity());
        topics.send(json);

        assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".completed");
    }

    @Test
    void livenessTurnsRedWhileTheGeneratorIsStuckInABatch() throws Exception {
        assertThat(get("q/health/live").statusCode()).isEqualTo(200);
        String id = id();
        topics.send(request(id, FaultInjection.SILENCE));

        await().atMost(Duration.ofSeconds(30)).until(() -> get("q/health/live").statusCode() == 503);
        assertThat(get("q/health/live").body()).contains("generator", "busySince");
        faults.breakSilence();
        topics.outcome(id);
        await().atMost(Duration.ofSeconds(10)).until(() -> get("q/health/live").statusCode() == 200);
    }

    @Test
    void readinessTellsTheStateOfModelStoreAndKafka() throws Exception {
        await().atMost(Duration.ofSeconds(30)).until(() -> get("q/health/ready").statusCode() == 200);
        JsonNode checks = JSON.readTree(get("q/health").body()).get("checks");
        assertThat(checks).extracting(check -> check.get("name").asText())
                .anyMatch(name -> name.contains("Reactive Messaging"))
                .contains("model", "store", "kafka", "retries", "generator", "claims");
        assertThat(checks).filteredOn(check -> check.get("name").asText().equals("model")).allSatisfy(check -> {
            assertThat(check.at("/data/compiled").asBoolean()).isFalse();
            assertThat(check.at("/data/uncompiled").asText()).isEqualTo("The bundle mini has no compiled packages.");
        });
        assertThat(get("q/health/started").statusCode()).isEqualTo(200);
    }

    @Test
    void theOffsetIsCommittedOnceTheOutcomeIsThere() {
        String id = id();
        topics.send(request(id, "a lime"));
        topics.outcome(id);
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == topics.sent());
    }

    @Test
    void everyMetricThatAlertsAndDashboardUseIsThere() throws Exception {
        String id = id();
        topics.send(request(id, "a lime"));
        topics.outcome(id);
        String metrics = get("q/metrics").body();
        String used = Files.readString(Path.of("deploy", "prometheus", "alerts.yaml"))
                + Files.readString(Path.of("deploy", "grafana", "dashboard.json"));
        Pattern metric = Pattern.compile("\\b(darkroom|kafka_consumer|jvm|process)_[a-z_]+(?=\\{|\\[|\\)| [<>=/*+-])");
        assertThat(metric.matcher(used).results().map(MatchResult::group).distinct())
                .hasSizeGreaterThan(10)
                .allSatisfy(name -> assertThat(metrics).containsPattern("(?m)^" + name + "[ {]"));
    }

    @Test
    void whatIsCountedIsThereAsZeroBeforeItHappens() throws Exception {
        assertThat(get("q/metrics").body().lines()).contains(
                "darkroom_requests_total{lane=\"express\",outcome=\"dead-lettered\",reason=\"TOO_MANY_ATTEMPTS\"} 0.0",
                "darkroom_requests_total{lane=\"express\",outcome=\"failed\",reason=\"OUT_OF_MEMORY\"} 0.0",
                "darkroom_images_flagged_total{then=\"withheld\"} 0.0");
    }

    @Test
    void costIsToldByTheMetadataThatTheSettingsName() throws Exception {
        String id = id();
        topics.send("""
                {"requestId": "%s", "prompt": "a lime", "steps": 2, "count": 2, "metadata": {"customer": "c-17"}}
                """.formatted(id));
        topics.outcome(id);
        assertThat(metric("darkroom_cost_requests_total{by=\"c-17\"}")).isEqualTo(1);
        assertThat(metric("darkroom_cost_images_total{by=\"c-17\"}")).isEqualTo(2);
        assertThat(metric("darkroom_cost_seconds_total{by=\"c-17\"}"))
                .isPositive().isLessThanOrEqualTo(metric("darkroom_generator_busy_seconds_total"));
    }

    private static String id() {
        return "test-" + UUID.randomUUID();
    }

    private static String request(String id, String prompt) {
        return "{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 2}".formatted(id, prompt);
    }

    private static JsonNode json(ConsumerRecord<byte[], byte[]> record) {
        try {
            return JSON.readTree(record.value());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private byte[] stored(String key) {
        try (MinioImageStore store = new MinioImageStore(new StoreSettings(stack.storeEndpoint(), "us-east-1", "darkroom",
                stack.accessKey(), stack.secretKey(), true, false, Duration.ofSeconds(5), Duration.ofSeconds(5)))) {
            return store.get(key).orElseThrow();
        }
    }

    private HttpResponse<String> get(String path) throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(http.resolve(path)).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private double metric(String name) throws Exception {
        return get("q/metrics").body().lines()
                .filter(line -> line.startsWith(name + " ") || line.startsWith(name + "{"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }
}
