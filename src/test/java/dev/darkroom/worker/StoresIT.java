package dev.darkroom.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.EmbeddedStack;
import dev.darkroom.stack.StoreServer;
import dev.darkroom.stack.StoreServer.Kind;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StorageException;
import dev.darkroom.worker.store.StoreKeys;
import dev.darkroom.worker.store.StoreSettings;
import dev.darkroom.worker.store.TrustedAuthorities;
import io.minio.MinioClient;
import io.minio.SetBucketPolicyArgs;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import okhttp3.tls.HeldCertificate;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Stores of others, where they are installed: {@code ./mvnw verify -Pstores}. */
@Tag("stores")
@Timeout(400)
class StoresIT {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int REQUESTS = 30;
    private static final String BUCKET = "darkroom";
    private static final String USER = "worker";
    private static final String USERS_SECRET = "worker-secret";
    private static final Duration LONG = Duration.ofSeconds(150);

    private static EmbeddedStack stack;
    private static Topics topics;

    @TempDir
    Path folder;

    @BeforeAll
    static void startStack() {
        stack = EmbeddedStack.start();
        topics = new Topics(stack.bootstrapServers());
    }

    @AfterAll
    static void stopStack() {
        topics.close();
        stack.close();
    }

    @ParameterizedTest
    @EnumSource
    void thirtyAreStoredAndThirtyReplayedWhateverIsKilled(Kind kind) {
        List<String> ids = ids();
        try (StoreServer server = StoreServer.start(kind, folder)) {
            send(ids);
            WorkerProcess killed = start(server.endpoint(), Map.of());
            awaitOutcomes(ids, REQUESTS / 3);
            killed.kill();
            try (WorkerProcess worker = start(server.endpoint(), Map.of())) {
                if (kind.keeps()) {
                    awaitOutcomes(ids, REQUESTS / 2);
                    server.kill();
                    await().atMost(LONG).until(() -> worker.output().contains("watch=trouble"));
                    server.restart();
                }
                awaitOutcomes(ids, REQUESTS);
                Map<String, Integer> told = new HashMap<>();
                ids.forEach(id -> told.put(id, topics.received(Topics.COMPLETIONS, id).size()));
                send(ids);
                await().atMost(LONG).until(() ->
                        ids.stream().allMatch(id -> topics.received(Topics.COMPLETIONS, id).size() > told.get(id)));
            }
            try (MinioImageStore store = store(settings(
                    server.endpoint(), StoreServer.SECRET_KEY, "us-east-1", Optional.empty()))) {
                assertThat(ids).allSatisfy(id -> {
                    List<ConsumerRecord<byte[], byte[]>> outcomes = topics.received(Topics.COMPLETIONS, id);
                    assertThat(outcomes).hasSizeGreaterThan(1).extracting(ConsumerRecord::value)
                            .containsOnly(outcomes.get(0).value());
                    JsonNode image = json(outcomes.get(0)).at("/images/0");
                    assertThat(store.get(image.get("key").asText())).hasValueSatisfying(content ->
                            assertThat(Sha256.hex(content)).isEqualTo(image.get("sha256").asText()));
                });
            }
        }
    }

    @Test
    void aBucketInTheHostNameIsFound() throws IOException {
        Path hosts = Files.writeString(folder.resolve("hosts"), "127.0.0.1 store.test\n127.0.0.1 darkroom.store.test\n");
        List<String> ids = ids().subList(0, 2);
        try (StoreServer server = StoreServer.start(Kind.VERSITYGW, folder, "--virtual-domain", "store.test");
                WorkerProcess worker = start(URI.create("http://store.test:" + server.port()), Map.of(
                        "DARKROOM_STORE_PATH_STYLE", "false",
                        "JAVA_TOOL_OPTIONS", "-Djdk.net.hosts.file=" + hosts))) {
            send(ids);
            awaitOutcomes(ids, ids.size());
            assertThat(worker.alive()).isTrue();
        }
    }

    @ParameterizedTest
    @EnumSource
    void anAuthorityOfOnesOwnIsTrustedWhereItIsNamed(Kind kind) throws IOException {
        HeldCertificate authority = new HeldCertificate.Builder().certificateAuthority(0).build();
        HeldCertificate certificate = new HeldCertificate.Builder().signedBy(authority)
                .addSubjectAlternativeName("127.0.0.1").build();
        Path ca = Files.writeString(folder.resolve("ca.pem"), authority.certificatePem());
        Path chain = Files.writeString(folder.resolve("store.pem"), certificate.certificatePem());
        Path key = Files.writeString(folder.resolve("store.key"), certificate.privateKeyPkcs8Pem());
        try (StoreServer server = StoreServer.startSecure(kind, folder, chain, key);
                MinioImageStore trusting = store(settings(
                        server.endpoint(), StoreServer.SECRET_KEY, "us-east-1", Optional.of(ca)));
                MinioImageStore other = store(settings(
                        server.endpoint(), StoreServer.SECRET_KEY, "us-east-1", Optional.empty()))) {
            trusting.open();
            assertRefused(other, "its certificate is not trusted");
        }
    }

    @Test
    void whatIsWrongWithKeyOrRegionIsSaid() {
        try (StoreServer server = StoreServer.start(Kind.VERSITYGW, folder);
                MinioImageStore right = store(settings(
                        server.endpoint(), StoreServer.SECRET_KEY, "us-east-1", Optional.empty()));
                MinioImageStore key = store(settings(server.endpoint(), "another", "us-east-1", Optional.empty()));
                MinioImageStore region = store(settings(
                        server.endpoint(), StoreServer.SECRET_KEY, "eu-west-9", Optional.empty()))) {
            right.open();
            assertRefused(key, "it answers HTTP 403 AccessDenied");
            assertRefused(region, "it answers HTTP 400 BadRequest; is 'eu-west-9' its region?");
        }
    }

    @Test
    void theRightsOfThePolicyAreEnoughAndWithoutThemItIsSaid() throws Exception {
        try (StoreServer server = StoreServer.start(Kind.VERSITYGW, folder);
                MinioImageStore owner = store(settings(
                        server.endpoint(), StoreServer.SECRET_KEY, "us-east-1", Optional.empty()))) {
            owner.open();
            server.addUser(USER, USERS_SECRET);
            JsonNode policy = JSON.readTree(Path.of("deploy", "store", "policy.json").toFile());
            policy.get("Statement").forEach(statement -> ((ObjectNode) statement).putObject("Principal").put("AWS", USER));
            List<String> ids = ids().subList(0, 2);
            send(ids);
            try (WorkerProcess worker = start(server.endpoint(), Map.of("DARKROOM_STORE_CREATE_BUCKET", "false",
                    "DARKROOM_STORE_ACCESS_KEY", USER, "DARKROOM_STORE_SECRET_KEY", USERS_SECRET))) {
                await().atMost(LONG).until(() -> worker.output().contains("it answers HTTP 403 AccessDenied"));
                setPolicy(server, policy);
                awaitOutcomes(ids, ids.size());
            }
        }
    }

    private static void setPolicy(StoreServer server, JsonNode policy) throws Exception {
        try (MinioClient client = MinioClient.builder().endpoint(server.endpoint().toString())
                .credentials(StoreServer.ACCESS_KEY, StoreServer.SECRET_KEY).region("us-east-1").build()) {
            client.setBucketPolicy(SetBucketPolicyArgs.builder().bucket(BUCKET).config(policy.toString()).build());
        }
    }

    private static void assertRefused(MinioImageStore store, String reason) {
        assertThatThrownBy(store::ping).isInstanceOfSatisfying(StorageException.class, e -> {
            assertThat(e.reason()).isEqualTo(reason);
            assertThat(e.transientFault()).isFalse();
        });
    }

    private WorkerProcess start(URI endpoint, Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(Map.of(
                "DARKROOM_STORE_ENDPOINT", endpoint.toString(),
                "DARKROOM_STORE_ACCESS_KEY", StoreServer.ACCESS_KEY,
                "DARKROOM_STORE_SECRET_KEY", StoreServer.SECRET_KEY,
                "MP_MESSAGING_INCOMING_REQUESTS_SESSION_TIMEOUT_MS", "6000",
                "MP_MESSAGING_INCOMING_REQUESTS_HEARTBEAT_INTERVAL_MS", "2000"));
        environment.putAll(more);
        return WorkerProcess.start(stack, folder, environment);
    }

    private static StoreSettings settings(URI endpoint, String secretKey, String region, Optional<Path> caFile) {
        return new StoreSettings(endpoint, Optional.empty(), region, BUCKET, "",
                Optional.of(new StoreKeys(StoreServer.ACCESS_KEY, secretKey, Optional.empty())), Optional.empty(),
                caFile.map(TrustedAuthorities::of), true, true, Duration.ofSeconds(5), Duration.ofSeconds(10));
    }

    private static MinioImageStore store(StoreSettings settings) {
        return new MinioImageStore(settings);
    }

    private static List<String> ids() {
        return IntStream.range(0, REQUESTS).mapToObj(i -> "store-" + UUID.randomUUID()).toList();
    }

    private static void send(List<String> ids) {
        ids.forEach(id -> topics.send(new ProducerRecord<>(Topics.REQUESTS, id.getBytes(UTF_8),
                "{\"requestId\": \"%s\", \"prompt\": \"a kiwi\", \"steps\": 2}".formatted(id).getBytes(UTF_8))));
    }

    private static void awaitOutcomes(List<String> ids, int count) {
        await().atMost(LONG).until(() ->
                ids.stream().filter(id -> !topics.received(Topics.COMPLETIONS, id).isEmpty()).count() >= count);
    }

    private static JsonNode json(ConsumerRecord<byte[], byte[]> record) {
        try {
            return JSON.readTree(record.value());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
