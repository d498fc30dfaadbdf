package dev.darkroom.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.Ports;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.KafkaBinding;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the page answers over HTTP. */
@Timeout(60)
class PageTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private static Stack stack;
    private static Traffic traffic;
    private static Page page;

    @BeforeAll
    static void start() throws Exception {
        stack = Stack.start();
        traffic = new Traffic(stack, "page-test");
        page = open(stack, traffic, "page-test", 0);
    }

    static Page open(Stack stack, Traffic traffic, String group, int port) throws BindException {
        return open(Map.of("bootstrap.servers", stack.bootstrapServers(), "auto.offset.reset", "earliest",
                "allow.auto.create.topics", false), traffic, group, port);
    }

    private static Page open(Map<String, Object> broker, Traffic traffic, String group, int port) throws BindException {
        return Page.start(PageSettings.of(port, (String) broker.get("bootstrap.servers"), group, traffic.settings()),
                new KafkaConsumer<>(broker, new ByteArrayDeserializer(), new ByteArrayDeserializer()),
                new KafkaProducer<>(broker, new StringSerializer(), new ByteArraySerializer()), Admin.create(broker));
    }

    @AfterAll
    static void stop() {
        page.close();
        traffic.close();
        stack.close();
    }

    @Test
    void itRunsItsOwnScriptsAloneAndIsShownInNoOtherPage() throws Exception {
        HttpResponse<String> answer = get("");

        assertThat(answer.body()).contains("<title>Darkroom</title>").contains("<option selected>final</option>")
                .contains(stack.bootstrapServers()).doesNotContain("{#", "{brokers}");
        assertThat(answer.headers().firstValue("Content-Security-Policy")).get().asString()
                .contains("default-src 'none'").contains("script-src 'self'").contains("frame-ancestors 'none'");
        assertThat(get("assets/page.js").headers().firstValue("Content-Type")).get().asString().startsWith("text/javascript");
        assertThat(get("assets/lit-html/lit-html.js").statusCode()).isEqualTo(200);
        assertThat(get("assets/%2e%2e/page.html").statusCode()).isEqualTo(404);
        assertThat(get("nothing").body()).contains("There is no such page.");
    }

    @Test
    void whoComesByAnotherNameOrFromAnotherPageIsRefused() throws Exception {
        int port = URI.create(page.address()).getPort();

        assertThat(raw("GET / HTTP/1.1", "Host: evil.example:" + port)).startsWith("HTTP/1.1 403");
        assertThat(raw("GET / HTTP/1.1", "Host: evil.example")).contains("localhost:" + port);
        assertThat(raw("GET /changes HTTP/1.1", "Host: 127.0.0.1.nip.io:" + port)).startsWith("HTTP/1.1 403");
        assertThat(raw("GET / HTTP/1.1", "Host: 127.0.0.1:" + port)).startsWith("HTTP/1.1 200");
        assertThat(post("requests", "{}", "Origin", "http://evil.example", LoopbackOnly.HEADER, "1").body())
                .contains("Another page may not send anything from here.");
        assertThat(post("requests", "{}", "Origin", "null", LoopbackOnly.HEADER, "1").statusCode()).isEqualTo(403);
        assertThat(post("requests", "{}").body()).contains("The header X-Darkroom is missing.");
        assertThat(post("cancellations", "{}").statusCode()).isEqualTo(403);
        assertThat(post("pictures", "").statusCode()).isEqualTo(403);
    }

    @Test
    void aRequestGoesOnTheTopicAsAnEventOnItsOwnKey() throws Exception {
        HttpResponse<String> answer = send("requests?lane=express", """
                {"requestId": "sent-1", "prompt": "a red apple", "seed": 9223372036854775807}""");

        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        assertThat(JSON.readTree(answer.body()).path("place").asText()).startsWith("page-test.express-0@");
        var record = traffic.record("express", "sent-1");
        var event = KafkaBinding.toEvent(record.headers(), record.value());
        assertThat(event.getId()).isEqualTo("sent-1.requested");
        assertThat(JSON.readTree(event.getData().toBytes()).path("seed").longValue()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void whatIsWrongWithARequestIsSaidAndItIsNotSent() throws Exception {
        HttpResponse<String> answer = send("requests", "{\"requestId\": \"wrong-1\", \"prompt\": \"a\", \"steps\": 900}");

        assertThat(answer.statusCode()).isEqualTo(422);
        assertThat(JSON.readTree(answer.body()).path("field").asText()).isEqualTo("steps");
        assertThat(JSON.readTree(answer.body()).path("message").asText()).startsWith("steps must be").contains("900");
        assertThat(send("requests", "nonsense").statusCode()).isEqualTo(400);
        assertThat(send("requests", "x".repeat(70_000)).body()).contains("a request 65536");
        assertThat(send("cancellations", "{\"requestId\": \"a/b\"}").body()).contains("1 to 64 of letters");
        assertThat(send("cancellations", "nonsense").statusCode()).isEqualTo(400);
    }

    @Test
    void aCancellationIsAnEvent() throws Exception {
        assertThat(send("cancellations", "{\"requestId\": \"unwanted-1\"}").statusCode()).isEqualTo(200);

        var record = traffic.record("cancellations", "unwanted-1");
        assertThat(KafkaBinding.toEvent(record.headers(), record.value()).getId()).isEqualTo("unwanted-1.cancelled");
    }

    @Test
    void aPictureIsKeptUnderItsDigest() throws Exception {
        byte[] file = Files.readAllBytes(Path.of("docs/from-a-picture/car.png"));

        HttpRequest request = HttpRequest.newBuilder(URI.create(page.address() + "pictures"))
                .header(LoopbackOnly.HEADER, "1").POST(BodyPublishers.ofByteArray(file)).build();
        JsonNode picture = JSON.readTree(HTTP.send(request, BodyHandlers.ofString()).body());

        assertThat(picture.path("bucket").asText()).isEqualTo("darkroom");
        assertThat(picture.path("sha256").asText()).isEqualTo(Sha256.hex(file));
        assertThat(traffic.object(picture.path("key").asText())).isEqualTo(file);
        assertThat(send("pictures", "no picture").body()).contains("A picture is a PNG, JPEG or WebP file");
    }

    @Test
    void aRequestIsFollowedFromItsRecordToItsImage() throws Exception {
        try (Watcher watcher = new Watcher(page.address(), "")) {
            traffic.requested("express", 0, "way-1", "a red apple");
            JsonNode waiting = watcher.awaitRequest("way-1", request -> true);
            assertThat(waiting.path("state").asText()).isEqualTo("waiting");
            assertThat(waiting.path("lane").asText()).isEqualTo("express");
            traffic.progressed("way-1", 3, 20);
            assertThat(watcher.awaitRequest("way-1", is("running")).path("step").asInt()).isEqualTo(3);
            traffic.completed("way-1", "a red apple", 10);
            JsonNode completed = watcher.awaitRequest("way-1", is("completed"));

            HttpResponse<byte[]> image = HTTP.send(HttpRequest.newBuilder(URI.create(page.address()
                    + "requests/way-1/images/0")).build(), BodyHandlers.ofByteArray());
            assertThat(image.headers().firstValue("Content-Type")).hasValue("image/png");
            assertThat(Sha256.hex(image.body())).startsWith(completed.path("images").get(0).path("digest").asText());
            JsonNode documents = JSON.readTree(get("requests/way-1").body());
            assertThat(documents.at("/request/prompt").asText()).isEqualTo("a red apple");
            assertThat(documents.at("/outcome/id").asText()).isEqualTo("way-1.completed");
            JsonNode state = watcher.awaitState(told -> told.path("workers").size() > 0);
            assertThat(state.at("/workers/0/vram/deviceTotal").asLong()).isEqualTo(85_899_345_920L);
            assertThat(state.path("stages").findValuesAsText("name")).contains("denoising", "upload", "total");
        }
    }

    @Test
    void whoComesBackHearsOfWhatCameSinceAlone() {
        String lastEventId;
        try (Watcher watcher = new Watcher(page.address(), "")) {
            traffic.requested("express", 0, "back-1", "a");
            watcher.awaitRequest("back-1", request -> true);
            lastEventId = watcher.lastEventId();
        }
        traffic.requested("express", 0, "back-2", "b");
        try (Watcher watcher = new Watcher(page.address(), lastEventId)) {
            watcher.awaitRequest("back-2", request -> true);
            assertThat(watcher.heard()).noneMatch(change -> change.startsWith("back-1"));
        }
        try (Watcher watcher = new Watcher(page.address(), "anotherprocess-17")) {
            watcher.awaitRequest("back-1", request -> true);
        }
    }

    @Test
    void failuresAndDeadLettersAreToldWithTheirReasons() {
        try (Watcher watcher = new Watcher(page.address(), "")) {
            traffic.failed("bad-1", FailureReason.UNSUPPORTED_PARAMETERS, "width", "The size 512x512 is not on offer.");
            JsonNode failed = watcher.awaitRequest("bad-1", is("failed"));
            assertThat(failed.path("reason").asText()).isEqualTo("UNSUPPORTED_PARAMETERS");
            assertThat(failed.path("message").asText()).isEqualTo("The size 512x512 is not on offer.");
            traffic.deadLetter("dead-1", "This is no JSON.\u0007", 0);
            JsonNode letter = watcher.awaitState(state -> state.path("deadLetters").size() > 0).at("/deadLetters/0");
            assertThat(letter.path("reason").asText()).isEqualTo("This is no JSON.\uFFFD");
            assertThat(letter.path("from").asText()).isEqualTo("page-test.requests-0@0");
        }
    }

    @Test
    void theLagIsWhatTheGroupHasNotCommitted() {
        traffic.requested("requests", 1, "lag-1", "a");
        traffic.requested("requests", 1, "lag-2", "b");
        traffic.flush();
        try (Watcher watcher = new Watcher(page.address(), "")) {
            watcher.awaitState(state -> state.path("lag").asLong() == 2);
            traffic.committed("requests", 1, 1);
            watcher.awaitState(state -> state.path("lag").asLong() == 1);
        }
    }

    @Test
    void imagesComeFromTheBucketAndOfKnownRequestsAlone() throws Exception {
        try (Watcher watcher = new Watcher(page.address(), "")) {
            traffic.completedElsewhere("elsewhere-1", "secrets");
            watcher.awaitRequest("elsewhere-1", is("completed"));
        }
        assertThat(get("requests/elsewhere-1/images/0").body()).contains("lies in the bucket secrets");
        assertThat(get("requests/elsewhere-1/images/1").statusCode()).isEqualTo(404);
        assertThat(get("requests/unheard-of/images/0").statusCode()).isEqualTo(404);
        assertThat(get("requests/unheard-of").body()).contains("does not know of unheard-of");
        assertThat(get("requests/elsewhere-1/images/..%2f..%2f").statusCode()).isEqualTo(404);
    }

    @Test
    void aPortThatIsTakenIsNotTakenOver() {
        assertThatThrownBy(() -> open(stack, traffic, "page-test", URI.create(page.address()).getPort()))
                .isInstanceOf(BindException.class);
    }

    @Test
    void aBrokerThatIsAwayIsNamed() throws Exception {
        Map<String, Object> nobody = Map.of("bootstrap.servers", "127.0.0.1:" + Ports.free());
        try (Page lonely = open(nobody, traffic, "page-test", 0); Watcher watcher = new Watcher(lonely.address(), "")) {
            assertThat(watcher.awaitState(state -> !state.path("problem").asText().isEmpty()).path("problem").asText())
                    .isEqualTo("No Kafka broker answers at %s.".formatted(nobody.get("bootstrap.servers")));
        }
    }

    private static Predicate<JsonNode> is(String state) {
        return request -> request.path("state").asText().equals(state);
    }

    private static HttpResponse<String> get(String path) throws Exception {
        return HTTP.send(HttpRequest.newBuilder(URI.create(page.address() + path)).build(), BodyHandlers.ofString());
    }

    private static HttpResponse<String> send(String path, String body) throws Exception {
        return post(path, body, LoopbackOnly.HEADER, "1");
    }

    private static HttpResponse<String> post(String path, String body, String... headers) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(page.address() + path))
                .POST(BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return HTTP.send(request.build(), BodyHandlers.ofString());
    }

    /** With headers that Java's client does not let anybody set. */
    private static String raw(String request, String host) throws IOException {
        try (var socket = new Socket(InetAddress.getLoopbackAddress(), URI.create(page.address()).getPort())) {
            socket.getOutputStream().write((request + "\r\n" + host + "\r\nConnection: close\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
