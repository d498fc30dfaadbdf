package dev.darkroom.worker.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.Stack;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.minio.MinioClient;
import io.minio.PutObjectArgs;
import io.minio.StatObjectArgs;
import java.io.ByteArrayInputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MinioImageStoreTest {

    private static final String TEXT = "text/plain";
    /** {@code printf first | sha256sum} */
    private static final String FIRST_SHA256 = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    private static final Map<String, String> DESCRIBED = Map.of("sha256", FIRST_SHA256);
    /** {@code printf first | md5sum}: what S3 makes the entity tag of an object put in one part. */
    private static final String FIRST_MD5 = "8b04d5e3775d298e78455efc5ca404d5";

    private static Stack stack;

    private MinioImageStore store;
    private String key;

    @BeforeAll
    static void startStack() {
        stack = Stack.start();
    }

    @AfterAll
    static void stopStack() {
        stack.close();
    }

    @BeforeEach
    void openStore() {
        store = new MinioImageStore(settings(stack.storeEndpoint(), "images", stack.secretKey(), true));
        store.open();
        key = "images/ab/" + UUID.randomUUID() + "-0.png";
    }

    @AfterEach
    void closeStore() {
        store.close();
    }

    @Test
    void whatIsPutCanBeGot() {
        StoredObject object = store.putIfAbsent(key, bytes("first"), TEXT, Map.of());

        assertStored(object, DESCRIBED, true);
        assertThat(object.uri()).isEqualTo("s3://images/" + key);
        assertThat(store.get(key)).hasValueSatisfying(content -> assertThat(content).asString().isEqualTo("first"));
    }

    @Test
    void anObjectHasItsContentTypeAndMetadata() throws Exception {
        store.putIfAbsent(key, bytes("first"), "image/png", Map.of("seed", "42", "profile", "final"));

        try (MinioClient client = client()) {
            var stat = client.statObject(StatObjectArgs.builder().bucket("images").object(key).build());
            assertThat(stat.contentType()).isEqualTo("image/png");
            assertThat(stat.userMetadata())
                    .containsOnly(Map.entry("seed", "42"), Map.entry("profile", "final"), Map.entry("sha256", FIRST_SHA256));
        }
    }

    @Test
    void theFirstOfTwoStays() {
        StoredObject first = store.putIfAbsent(key, bytes("first"), TEXT, Map.of());

        StoredObject second = store.putIfAbsent(key, bytes("the second"), TEXT, Map.of());

        assertThat(store.conditionalPuts()).isTrue();
        assertThat(first.created()).isTrue();
        assertStored(second, DESCRIBED, false);
        assertThat(store.get(key)).hasValueSatisfying(content -> assertThat(content).asString().isEqualTo("first"));
    }

    @ParameterizedTest
    @CsvSource({"501, NotImplemented", "400, InvalidArgument"})
    void theFirstOfTwoStaysWhereTheStoreHasNoConditionalPuts(int status, String code) throws Exception {
        try (var proxy = new RefusingProxy(stack.storeEndpoint(),
                exchange -> exchange.getRequestHeaders().containsKey("If-None-Match")
                        ? new RefusingProxy.Refusal(status, code) : null);
                var plain = new MinioImageStore(settings(proxy.endpoint(), "images", stack.secretKey(), true))) {
            plain.open();

            StoredObject first = plain.putIfAbsent(key, bytes("first"), TEXT, Map.of());
            StoredObject second = plain.putIfAbsent(key, bytes("the second"), TEXT, Map.of());

            assertThat(plain.conditionalPuts()).isFalse();
            assertThat(first.created()).isTrue();
            assertStored(second, DESCRIBED, false);
            assertThat(plain.get(key)).hasValueSatisfying(content -> assertThat(content).asString().isEqualTo("first"));
        }
    }

    @ParameterizedTest
    @CsvSource({"400, BadRequest", "400, AuthorizationHeaderMalformed", "301, PermanentRedirect"})
    void aStoreOfAnotherRegionIsAskedAfter(int status, String code) throws Exception {
        try (var proxy = new RefusingProxy(stack.storeEndpoint(), exchange -> new RefusingProxy.Refusal(status, code));
                var elsewhere = new MinioImageStore(settings(proxy.endpoint(), "images", stack.secretKey(), true))) {
            assertThatThrownBy(() -> elsewhere.get(key)).isInstanceOfSatisfying(StorageException.class, e ->
                            assertThat(e.reason()).isEqualTo("it answers HTTP %d %s; is 'us-east-1' its region?", status, code))
                    .hasMessageContaining("is 'us-east-1' its region?");
        }
    }

    @Test
    void ofTwoAtTheSameMomentOneStaysAndBothAreToldWhich() throws Exception {
        var threads = Executors.newFixedThreadPool(2);
        try {
            for (int round = 0; round < 20; round++) {
                String contested = key + "." + round;
                var start = new CyclicBarrier(2);
                List<Future<StoredObject>> puts = List.of("one", "another").stream()
                        .map(content -> threads.submit(() -> {
                            start.await();
                            return store.putIfAbsent(contested, bytes(content), TEXT, Map.of());
                        })).toList();
                StoredObject one = puts.get(0).get();
                StoredObject another = puts.get(1).get();

                assertThat(one.created()).isNotEqualTo(another.created());
                assertThat(one.sha256()).isEqualTo(another.sha256());
                assertThat(store.get(contested)).hasValueSatisfying(
                        content -> assertThat(Sha256.hex(content)).isEqualTo(one.sha256()));
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void anObjectThatSomebodyElsePutIsDescribedFromItsContent() throws Exception {
        try (MinioClient client = client()) {
            client.putObject(PutObjectArgs.builder().bucket("images").object(key)
                    .stream(new ByteArrayInputStream(bytes("first")), 5, -1).build());
        }

        StoredObject found = store.putIfAbsent(key, bytes("the second"), TEXT, Map.of());

        assertStored(found, Map.of(), false);
    }

    @Test
    void wrongCredentialsAreARefusalThatStays() {
        try (var stranger = new MinioImageStore(settings(stack.storeEndpoint(), "images", "guessed", true))) {
            assertThatThrownBy(stranger::open)
                    .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.transientFault()).isFalse())
                    .hasMessageContaining("could not look for images at " + stack.storeEndpoint() + ": HTTP 403");
        }
    }

    @Test
    void aMissingBucketThatMayNotBeCreatedIsARefusalThatStays() {
        try (var absent = new MinioImageStore(settings(stack.storeEndpoint(), "absent", stack.secretKey(), false))) {
            assertThatThrownBy(absent::open)
                    .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.transientFault()).isFalse())
                    .hasMessage("there is no bucket 'absent' at %s, and creating it is not allowed", stack.storeEndpoint());
            assertThatThrownBy(() -> absent.putIfAbsent(key, bytes("first"), TEXT, Map.of()))
                    .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.transientFault()).isFalse())
                    .hasMessageContaining("NoSuchBucket");
        }
    }

    @ParameterizedTest
    @CsvSource({"503, SlowDown, true", "500, InternalError, true", "429, TooManyRequests, true",
            "409, ConditionalRequestConflict, true", "403, AccessDenied, false", "501, NotImplemented, false"})
    void refusalsThatPassAreToldFromThoseThatStay(int status, String code, boolean transientFault) throws Exception {
        try (var proxy = new RefusingProxy(stack.storeEndpoint(),
                exchange -> exchange.getRequestMethod().equals("PUT") ? new RefusingProxy.Refusal(status, code) : null);
                var refused = new MinioImageStore(settings(proxy.endpoint(), "images", stack.secretKey(), true))) {
            assertThatThrownBy(() -> refused.putIfAbsent(key, bytes("first"), TEXT, Map.of()))
                    .isInstanceOfSatisfying(StorageException.class,
                            e -> assertThat(e.transientFault()).isEqualTo(transientFault));
        }
    }

    @Test
    void aStoreThatDoesNotAnswerIsAFaultThatMayPass() throws Exception {
        try (var silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                var waiting = new MinioImageStore(new StoreSettings(URI.create("http://127.0.0.1:" + silent.getLocalPort()),
                        "us-east-1", "images", "key", "secret", true, true,
                        Duration.ofMillis(200), Duration.ofMillis(200)))) {
            long start = System.nanoTime();
            assertThatThrownBy(waiting::ping)
                    .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.transientFault()).isTrue());
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"Grüße", " blank at the start", "two\nlines", ""})
    void metadataThatAStoreWouldMangleIsRefused(String value) {
        assertThatThrownBy(() -> store.putIfAbsent(key, bytes("first"), TEXT, Map.of("prompt", value)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("metadata 'prompt' is not printable ASCII without blanks at its ends");
    }

    @Test
    void metadataBeyondTheLimitOfS3IsRefused() {
        assertThatThrownBy(() -> store.putIfAbsent(key, bytes("first"), TEXT, Map.of("prompt", "x".repeat(2000))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("metadata of 2006 bytes; at most 2000 are allowed");
    }

    @Test
    void everyCallIsTimedByItsOutcome() {
        var meters = new SimpleMeterRegistry();
        var timed = new InstrumentedImageStore(store, meters);

        timed.putIfAbsent(key, bytes("first"), TEXT, Map.of());
        timed.putIfAbsent(key, bytes("first"), TEXT, Map.of());

        var timers = meters.get("darkroom.store.operation").tag("operation", "put-if-absent");
        assertThat(timers.tag("outcome", "ok").timer().count()).isEqualTo(1);
        assertThat(meters.get("darkroom.store.operation").tag("outcome", "kept").timer().count()).isEqualTo(1);
    }

    @Test
    void everythingLiesBelowThePrefix() throws Exception {
        try (var below = new MinioImageStore(with("team-a/darkroom", Optional.empty()))) {
            below.open();
            StoredObject object = below.putIfAbsent(key, bytes("first"), TEXT, Map.of());

            assertThat(object.key()).isEqualTo("team-a/darkroom/" + key);
            assertThat(object.uri()).isEqualTo("s3://images/team-a/darkroom/" + key);
            assertThat(below.find(key)).get().extracting(StoredObject::key).isEqualTo(object.key());
            assertThat(below.get(key)).isPresent();
            assertThat(store.get(key)).isEmpty();
            assertThat(store.get("team-a/darkroom/" + key)).isPresent();
            assertThat(store.get("team-a/darkroom/" + MinioImageStore.PROBE_KEY)).isPresent();
        }
    }

    @Test
    void whoHasALinkGetsTheObjectForAsLongAsItIsValid() throws Exception {
        store.putIfAbsent(key, bytes("first"), TEXT, Map.of());

        URI link = store.link(key, Duration.ofHours(24));

        assertThat(link.getQuery()).contains("X-Amz-Expires=86400").doesNotContain(stack.secretKey());
        HttpResponse<String> answer = fetched(link);
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("first");
        assertThat(answer.headers().firstValue("Content-Type")).hasValue(TEXT);
        assertThat(fetched(URI.create(link.toString().replace("86400", "604800"))).statusCode()).isEqualTo(403);
        assertThat(fetched(URI.create(link.toString().replace(key, key + "x"))).statusCode()).isEqualTo(403);
    }

    @Test
    void linksAreForThePublicEndpoint() throws Exception {
        try (var proxy = new RefusingProxy(stack.storeEndpoint(), exchange -> null);
                var inside = new MinioImageStore(with("team-a", Optional.of(proxy.endpoint())))) {
            inside.putIfAbsent(key, bytes("first"), TEXT, Map.of());

            URI link = inside.link(key, Duration.ofHours(1));

            assertThat(link.toString()).startsWith(proxy.endpoint() + "/images/team-a/" + key + "?");
            assertThat(fetched(link).body()).isEqualTo("first");
        }
    }

    private static StoreSettings with(String prefix, Optional<URI> publicEndpoint) {
        return new StoreSettings(stack.storeEndpoint(), publicEndpoint, "us-east-1", "images", prefix,
                Optional.of(new StoreKeys(stack.accessKey(), stack.secretKey(), Optional.empty())), Optional.empty(),
                Optional.empty(), true, true, Duration.ofSeconds(5), Duration.ofSeconds(30));
    }

    private static HttpResponse<String> fetched(URI link) throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(link).build(), HttpResponse.BodyHandlers.ofString());
    }

    private void assertStored(StoredObject object, Map<String, String> metadata, boolean created) {
        assertThat(object).isEqualTo(new StoredObject("images", key, FIRST_MD5, FIRST_SHA256, 5, metadata, object.stored(),
                created));
        assertThat(object.stored()).isCloseTo(Instant.now(), within(1, ChronoUnit.MINUTES));
    }

    private static byte[] bytes(String content) {
        return content.getBytes(UTF_8);
    }

    private static MinioClient client() {
        return MinioClient.builder().endpoint(stack.storeEndpoint().toString()).region("us-east-1")
                .credentials(stack.accessKey(), stack.secretKey()).build();
    }

    private static StoreSettings settings(URI endpoint, String bucket, String secretKey, boolean createBucket) {
        return new StoreSettings(endpoint, "us-east-1", bucket, stack.accessKey(), secretKey, true, createBucket,
                Duration.ofSeconds(5), Duration.ofSeconds(30));
    }
}
