package dev.darkroom.worker;

import static dev.darkroom.worker.Topics.header;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.stack.EmbeddedStack;
import dev.darkroom.stack.Ports;
import dev.darkroom.torch.TestBundle;
import dev.darkroom.worker.store.RefusingProxy;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** How the packaged worker starts where something is wrong or away, and how long it takes to end. */
@Timeout(120)
class StartAndStopIT {

    private static final Duration DRAIN = Duration.ofSeconds(2);
    /** What closing may take after the drain. */
    private static final Duration CLOSING = Duration.ofSeconds(5);

    private static EmbeddedStack stack;
    private static Topics topics;

    private final int port = Ports.free();

    @TempDir
    Path folder;

    @BeforeAll
    static void startStack() {
        stack = EmbeddedStack.start("--broker=auto.create.topics.enable=false");
        topics = new Topics(stack.bootstrapServers());
    }

    @AfterAll
    static void stopStack() {
        topics.close();
        stack.close();
    }

    @Test
    void wrongSettingsAreAllNamedInSentencesAndNothingElseIsSaid() {
        assertRefusesToStart(Map.of("DARKROOM_FLOW_IN_FLIGHT", "0", "DARKROOM_FLOW_DRAIN_TIMEOUT", "-5s",
                        "DARKROOM_EVENTS_SOURCE", "a b", "DARKROOM_TOPICS_REQUESTS", "a b", "DARKROOM_STORE_BUCKET", "A"),
                "darkroom.flow.in-flight must be", "darkroom.flow.drain-timeout must be from 0s to 1h",
                "darkroom.events.source must be a URI reference", "darkroom.topics.requests must be 1 to 249 of",
                "darkroom.store.bucket must be 3 to 63");
        assertRefusesToStart(Map.of("DARKROOM_STORE_ENDPOINT", "nowhere", "DARKROOM_EVENTS_SOURCE", "/%zz",
                        "DARKROOM_TOPICS_PROGRESS", "darkroom.requests", "KAFKA_BOOTSTRAP_SERVERS", "nowhere",
                        "DARKROOM_STATE_DIR", "/dev/null/state", "DARKROOM_INPUTS_BUCKETS", "photos,Photos",
                        "DARKROOM_STORE_RETENTION", "36h"),
                "Invalid url in bootstrap.servers: nowhere", "endpoint is 'nowhere'", "darkroom.events.source is '/%zz'",
                "must be six different topics", "darkroom.state-dir is /dev/null/state",
                "darkroom.inputs.buckets is 'photos,Photos'; it must be names of buckets",
                "retention is PT36H; it must be whole days from 1d to 3650d");
        assertRefusesToStart(Map.of("DARKROOM_FLOW_LINGER", "12 parsecs", "DARKROOM_INPUTS_MAX_BYTES", "20M",
                        "DARKROOM_STORE_CREATE_BUCKET", "ture", "DARKROOM_WARM_UP", "final,fastest"),
                "darkroom.flow.linger is '12 parsecs'; it must be a time from 0s to 1m, written as 500ms, 30s, 5m or 1d",
                "darkroom.inputs.max-bytes is '20M'; it must be a whole number from 1 to 268435456",
                "darkroom.store.create-bucket is 'ture'; it must be true or false",
                "darkroom.warm-up is 'final,fastest'; there is no profile fastest; there are");
        assertRefusesToStart(Map.of("KAFKA_MAX_POLL_RECORDS", "many"),
                "Invalid value many for configuration kafka.max.poll.records: Not a number");
    }

    @Test
    void aDeviceThatIsNotTheRequiredOneIsRefused() {
        assertRefusesToStart(Map.of("DARKROOM_DEVICE_REQUIRE", "A100"), "A100");
    }

    @Test
    void aBundleThatWasTamperedWithIsRefused() throws IOException {
        Path bundle = TestBundle.copy(WorkerProcess.BUNDLE, Files.createDirectory(folder.resolve("bundle"))).folder();
        Files.write(bundle.resolve("tokenizer.json"), "{}".getBytes(UTF_8));
        assertRefusesToStart(Map.of("DARKROOM_BUNDLE", bundle.toString()), "tokenizer.json");
    }

    private void assertRefusesToStart(Map<String, String> environment, String... sentences) {
        try (WorkerProcess worker = start(environment)) {
            assertThat(worker.awaitEnd()).isNotZero();
            assertThat(worker.output()).contains(sentences).doesNotContain("\tat ", "Exception", "SRCFG", "HV0");
        }
    }

    @Test
    void theWorkerIsReadySoonAfterTheStoreIsBack() {
        try (StoreGate gate = new StoreGate(stack.storeEndpoint())) {
            gate.shut();
            try (WorkerProcess worker = start(Map.of("DARKROOM_STORE_ENDPOINT", gate.endpoint().toString(),
                    "QUARKUS_LOG_CONSOLE_JSON_ENABLED", "true"))) {
                await().atMost(Duration.ofSeconds(60)).until(() -> ready() == 503);
                // Long enough for the pauses to have grown to their longest
                await().during(Duration.ofSeconds(5)).atMost(Duration.ofSeconds(20)).until(() -> ready() == 503);
                assertThat(worker.alive()).isTrue();
                Instant back = Instant.now();
                gate.open();
                awaitReady();
                assertThat(Duration.between(back, Instant.now())).isLessThan(Duration.ofSeconds(5));
                assertTellsOfAnOutageInAFewObjects(worker.output());
            }
        }
    }

    /** Its log, which is to be JSON: an object a line, however often it was asked whether it is ready. */
    private static void assertTellsOfAnOutageInAFewObjects(String log) {
        List<JsonNode> lines = log.lines().map(StartAndStopIT::json).toList();
        assertThat(lines).hasSizeBetween(4, 20)
                .allSatisfy(line -> assertThat(line.has("exception")).isFalse())
                .anySatisfy(line -> assertThat(line.get("message").asText()).startsWith("worker=ready"))
                .anySatisfy(line -> assertThat(line.get("level").asText()).isEqualTo("WARN"));
    }

    private static JsonNode json(String line) {
        try {
            return new ObjectMapper().readTree(line);
        } catch (JsonProcessingException e) {
            throw new AssertionError("no JSON: " + line, e);
        }
    }

    @Test
    void aRightThatIsGrantedAMomentLaterIsWaitedFor() throws Exception {
        AtomicBoolean granted = new AtomicBoolean();
        AtomicInteger refused = new AtomicInteger();
        try (RefusingProxy proxy = new RefusingProxy(stack.storeEndpoint(), exchange -> {
            if (granted.get()) {
                return null;
            }
            refused.incrementAndGet();
            return new RefusingProxy.Refusal(403, "AccessDenied");
        });
                WorkerProcess worker = start(Map.of("DARKROOM_STORE_ENDPOINT", proxy.endpoint().toString()))) {
            await().atMost(Duration.ofSeconds(60)).until(() -> refused.get() > 2 && ready() == 503);
            assertThat(worker.alive()).isTrue();
            granted.set(true);
            awaitReady();
        }
    }

    @Test
    void noRequestIsTakenBeforeTheTopicOfCancellationsIsRead() throws Exception {
        String wanted = id();
        String cancelled = id();
        topics.admin().deleteTopics(List.of(Topics.CANCELLATIONS)).all().get();
        try (WorkerProcess worker = start(Map.of())) {
            await().atMost(Duration.ofSeconds(60)).until(() -> ready("The topic darkroom.cancellations is missing."));
            topics.send(request(wanted));
            topics.send(request(cancelled));
            await().during(Duration.ofSeconds(3)).atMost(Duration.ofSeconds(20)).until(() ->
                    topics.received(Topics.COMPLETIONS, wanted).isEmpty() && ready() == 503);
            topics.create(Topics.CANCELLATIONS);
            topics.cancel(cancelled);
            awaitReady();
            assertThat(header(topics.outcome(wanted), "ce_id")).isEqualTo(wanted + ".completed");
            assertThat(worker.alive()).isTrue();
        } finally {
            topics.create(Topics.CANCELLATIONS);
        }
        String early = id();
        topics.cancel(early);
        topics.send(request(early));
        try (WorkerProcess worker = start(Map.of())) {
            assertThat(topics.outcome(early).value()).asString().contains("CANCELLED");
            assertThat(worker.alive()).isTrue();
        }
    }

    @Test
    void withoutCancellationsAndAnExpressLaneTheirTopicsAreNotNeeded() throws Exception {
        String id = id();
        topics.cancel(id);
        try (WorkerProcess worker = start(Map.of("DARKROOM_CANCELLATIONS_ENABLED", "false",
                "DARKROOM_TOPICS_CANCELLATIONS", "no.such.topic", "DARKROOM_EXPRESS_ENABLED", "false",
                "DARKROOM_TOPICS_EXPRESS", "none.such.topic"))) {
            awaitReady();
            topics.send(request(id));
            assertThat(header(topics.outcome(id), "ce_id")).isEqualTo(id + ".completed");
            assertThat(worker.alive()).isTrue();
        }
    }

    @Test
    void theWorkerEndsInTimeWhileKafkaIsAway() {
        int kafkaPort = Ports.free();
        EmbeddedStack own = EmbeddedStack.start(kafkaPort, Ports.free(), folder.resolve("stack"));
        try (Topics itsTopics = new Topics(own.bootstrapServers());
                WorkerProcess worker = WorkerProcess.start(own, folder, settings(Map.of()))) {
            awaitReady();
            List<String> ids = IntStream.range(0, 8).mapToObj(i -> id()).toList();
            ids.forEach(id -> itsTopics.send(request(id)));
            itsTopics.outcome(ids.get(0));
            own.close();
            assertEndsInTime(worker);
        }
    }

    @Test
    void theWorkerEndsInTimeWhileOutcomesCannotBePublished() throws Exception {
        try (WorkerProcess worker = start(Map.of())) {
            awaitReady();
            topics.admin().deleteTopics(List.of(Topics.COMPLETIONS)).all().get();
            topics.send(request(id()));
            await().atMost(Duration.ofSeconds(40)).until(() -> uploads() > 0);
            assertEndsInTime(worker);
        } finally {
            topics.create(Topics.COMPLETIONS);
        }
    }

    private static void assertEndsInTime(WorkerProcess worker) {
        Instant asked = Instant.now();
        worker.terminate();
        assertThat(Duration.between(asked, Instant.now())).isLessThan(DRAIN.plus(CLOSING));
    }

    @Test
    void aRefusalIsTheSameEventWheneverItsRecordIsDeliveredAlsoToAGroupThatTheBrokerRuns() {
        String id = id();
        topics.send(new ProducerRecord<>(Topics.REQUESTS, null,
                "{\"requestId\": \"%s\", \"prompt\": \"\"}".formatted(id).getBytes(UTF_8)));
        // Another group is given every record once more
        try (WorkerProcess first = start(Map.of("MP_MESSAGING_INCOMING_REQUESTS_GROUP_ID", "one"))) {
            topics.outcome(id);
            assertThat(first.alive()).isTrue();
        }
        try (WorkerProcess second = start(Map.of("KAFKA_GROUP_PROTOCOL", "consumer",
                "MP_MESSAGING_INCOMING_REQUESTS_GROUP_ID", "another"))) {
            List<ConsumerRecord<byte[], byte[]>> refusals = topics.outcomes(id, 2);
            assertThat(second.alive()).isTrue();
            assertThat(refusals.get(1).value()).isEqualTo(refusals.get(0).value());
            assertThat(headers(refusals.get(1))).isEqualTo(headers(refusals.get(0)));
            String next = id();
            topics.send(request(next));
            assertThat(header(topics.outcome(next), "ce_id")).isEqualTo(next + ".completed");
        }
    }

    private static List<String> headers(ConsumerRecord<byte[], byte[]> record) {
        return StreamSupport.stream(record.headers().spliterator(), false)
                .map(header -> header.key() + ": " + new String(header.value(), UTF_8))
                .sorted().toList();
    }

    private WorkerProcess start(Map<String, String> environment) {
        return WorkerProcess.start(stack, folder, settings(environment));
    }

    private Map<String, String> settings(Map<String, String> more) {
        Map<String, String> settings = new HashMap<>(Map.of("QUARKUS_HTTP_PORT", Integer.toString(port),
                "DARKROOM_FLOW_DRAIN_TIMEOUT", DRAIN.toSeconds() + "s"));
        settings.putAll(more);
        return settings;
    }

    private void awaitReady() {
        await().pollInterval(Duration.ofMillis(100)).atMost(Duration.ofSeconds(60)).until(() -> ready() == 200);
    }

    /** How many images the worker has stored: what comes next is to publish their outcomes. */
    private double uploads() throws IOException, InterruptedException {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create("http://localhost:" + port + "/q/metrics"))
                .build(), HttpResponse.BodyHandlers.ofLines()).body()
                .filter(line -> line.startsWith("darkroom_stage_seconds_count{stage=\"upload\""))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1))).sum();
    }

    /** The status of the readiness probe; 0 where nobody answers yet. */
    private int ready() {
        try {
            return HttpClient.newHttpClient().send(HttpRequest.newBuilder(
                    URI.create("http://localhost:" + port + "/q/health/ready")).build(),
                    HttpResponse.BodyHandlers.discarding()).statusCode();
        } catch (IOException e) {
            return 0;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Whether the readiness probe says this. */
    private boolean ready(String sentence) throws IOException, InterruptedException {
        return ready() != 0 && HttpClient.newHttpClient().send(HttpRequest.newBuilder(
                URI.create("http://localhost:" + port + "/q/health/ready")).build(), HttpResponse.BodyHandlers.ofString())
                .body().contains(sentence);
    }

    private static String id() {
        return "start-" + UUID.randomUUID();
    }

    private static String request(String id) {
        return "{\"requestId\": \"%s\", \"prompt\": \"a kiwi\", \"steps\": 30}".formatted(id);
    }
}
