package dev.darkroom.worker.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.darkroom.stack.EmbeddedStore;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker without keys, before a real store; STS and the metadata service are small servers that answer as they do. */
class CredentialsChainTest {

    private static final String KEY = "images/ab/request-0.png";
    /** Properties that the client's providers look at before the environment. */
    private static final List<String> NAMES = List.of("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL_STS",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT");

    @TempDir
    private static Path data;
    private static TolerantStore server;

    /** The session tokens that the store was shown. */
    private final Set<String> tokens = new LinkedHashSet<>();
    private RefusingProxy store;
    private HttpServer surroundings;

    @BeforeAll
    static void startStore() throws Exception {
        server = new TolerantStore(data);
    }

    @AfterAll
    static void stopStore() throws Exception {
        server.close();
    }

    @BeforeEach
    void startSurroundings() throws IOException {
        store = new RefusingProxy(server.endpoint(), exchange -> {
            tokens.add(String.valueOf(exchange.getRequestHeaders().getFirst("X-Amz-Security-Token")));
            return null;
        });
        surroundings = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        surroundings.start();
    }

    @AfterEach
    void stopSurroundings() {
        NAMES.forEach(System::clearProperty);
        surroundings.stop(0);
        store.close();
    }

    /** A process of its own, since the environment of this one is what it is. */
    public static final class Putting {
        private Putting() {
        }

        public static void main(String[] arguments) {
            try (var store = new MinioImageStore(keyless(URI.create(arguments[0])))) {
                store.open();
                store.putIfAbsent(KEY + "." + arguments[1], "pixels".getBytes(UTF_8), "image/png", Map.of());
            } catch (StorageException e) {
                System.out.println(e.getMessage());
                System.exit(1);
            }
        }
    }

    @Test
    void theEnvironmentsKeysAreTakenAndTheirSessionToken() throws Exception {
        String said = put(0, Map.of("AWS_ACCESS_KEY_ID", EmbeddedStore.ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY", EmbeddedStore.SECRET_KEY, "AWS_SESSION_TOKEN", "for-an-hour"));

        assertThat(tokens).as(said).containsExactly("for-an-hour");
        assertThat(said).doesNotContain(EmbeddedStore.SECRET_KEY, "for-an-hour");
        put(0, Map.of("MINIO_ACCESS_KEY", EmbeddedStore.ACCESS_KEY, "MINIO_SECRET_KEY", EmbeddedStore.SECRET_KEY));
        assertThat(tokens).containsExactly("for-an-hour", "null");
        assertThat(put(1, Map.of("AWS_ACCESS_KEY_ID", EmbeddedStore.ACCESS_KEY))).contains(
                "no credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: SecretKey must not be null");
    }

    private String put(int exitCode, Map<String, String> environment) throws Exception {
        var builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), Putting.class.getName(),
                store.endpoint().toString(), String.valueOf(environment.hashCode())).redirectErrorStream(true);
        builder.environment().keySet().removeIf(name -> name.startsWith("AWS_") || name.startsWith("MINIO_"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), UTF_8);
        assertThat(process.waitFor()).as(said).isEqualTo(exitCode);
        return said;
    }

    @Test
    void keysThatAreGivenMayHaveASessionToken() {
        try (var given = new MinioImageStore(settings(store.endpoint(), Optional.of(
                new StoreKeys(EmbeddedStore.ACCESS_KEY, EmbeddedStore.SECRET_KEY, Optional.of("given")))))) {
            given.open();
            assertThat(tokens).containsExactly("given");
            assertThat(given.link(KEY, Duration.ofHours(1)).getQuery()).contains("X-Amz-Security-Token=given");
        }
    }

    /** Credentials that have ended are fetched for every call, so that no clock has to be waited for. */
    @Test
    void aWebIdentityIsExchangedAndItsTokenReadAgain() throws Exception {
        Path file = Files.writeString(data.resolve("token"), "jwt-1");
        System.setProperty("AWS_WEB_IDENTITY_TOKEN_FILE", file.toString());
        System.setProperty("AWS_ROLE_ARN", "arn:aws:iam::1:role/worker");
        System.setProperty("AWS_ENDPOINT_URL_STS", address());
        surroundings.createContext("/", exchange -> {
            Map<String, String> asked = parameters(exchange);
            boolean known = asked.get("Action").equals("AssumeRoleWithWebIdentity")
                    && asked.get("RoleArn").equals("arn:aws:iam::1:role/worker");
            answer(exchange, known ? 200 : 400, """
                    <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
                    <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>
                    <SecretAccessKey>%s</SecretAccessKey><SessionToken>for %s</SessionToken>
                    <Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
                    </AssumeRoleWithWebIdentityResponse>
                    """.formatted(EmbeddedStore.ACCESS_KEY, EmbeddedStore.SECRET_KEY, asked.get("WebIdentityToken"),
                    soon(Duration.ofSeconds(1))));
        });
        try (var lent = new MinioImageStore(keyless(store.endpoint()))) {
            lent.open();
            assertThat(tokens).containsExactly("for jwt-1");
            Files.writeString(file, "jwt-2");
            lent.ping();
            assertThat(tokens).containsExactly("for jwt-1", "for jwt-2");

            System.setProperty("AWS_ROLE_ARN", "arn:aws:iam::1:role/other");
            assertThatThrownBy(lent::ping)
                    .isInstanceOfSatisfying(StorageException.class, e -> {
                        assertThat(e.transientFault()).isFalse();
                        assertThat(e.reason()).isEqualTo("there are no credentials for it");
                    })
                    .hasMessageContaining("no credentials from the web identity in AWS_WEB_IDENTITY_TOKEN_FILE")
                    .hasMessageNotContaining("jwt");
        }
    }

    @Test
    void anInstancesCredentialsAreKeptUntilTheyEnd() {
        System.setProperty("AWS_EC2_METADATA_SERVICE_ENDPOINT", address());
        Duration[] validity = {Duration.ofSeconds(1)};
        int[] lent = {0};
        surroundings.createContext("/latest/api/token", exchange -> answer(exchange, 200, "session"));
        surroundings.createContext("/latest/meta-data/iam/security-credentials/", exchange -> {
            boolean known = "session".equals(exchange.getRequestHeaders().getFirst("X-aws-ec2-metadata-token"));
            if (!exchange.getRequestURI().getPath().endsWith("/worker-role")) {
                answer(exchange, known ? 200 : 401, "worker-role");
                return;
            }
            answer(exchange, known ? 200 : 401, """
                    {"Code": "Success", "AccessKeyId": "%s", "SecretAccessKey": "%s", "Token": "lent %d", "Expiration": "%s"}
                    """.formatted(EmbeddedStore.ACCESS_KEY, EmbeddedStore.SECRET_KEY, ++lent[0], soon(validity[0])));
        });
        try (var instance = new MinioImageStore(keyless(store.endpoint()))) {
            instance.open();
            assertThat(tokens).hasSizeGreaterThan(1).first().isEqualTo("lent 1");
            validity[0] = Duration.ofHours(6);
            instance.ping();
            int last = lent[0];
            instance.ping();
            instance.ping();
            assertThat(tokens).last().isEqualTo("lent " + last);
            assertThat(lent[0]).isEqualTo(last);
        }
    }

    @Test
    void whereThereAreNoneTheStoreCannotBeOpenedAndItIsSaidWhereTheyWereLookedFor() {
        System.setProperty("AWS_EC2_METADATA_SERVICE_ENDPOINT", address());
        surroundings.createContext("/", exchange -> answer(exchange, 404, ""));
        try (var without = new MinioImageStore(keyless(store.endpoint()))) {
            assertThatThrownBy(without::open)
                    .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.transientFault()).isFalse())
                    .hasMessageContaining("no credentials from the instance, and there are none in darkroom.store.access-key, "
                            + "AWS_ACCESS_KEY_ID or AWS_WEB_IDENTITY_TOKEN_FILE: ");
            assertThatThrownBy(() -> without.putIfAbsent(KEY, new byte[1], "image/png", Map.of()))
                    .hasMessageContaining("no credentials from the instance");
            assertThatThrownBy(() -> without.link(KEY, Duration.ofHours(1)))
                    .hasMessageContaining("no credentials from the instance");
        }
        assertThat(tokens).isEmpty();
    }

    private static StoreSettings keyless(URI endpoint) {
        return settings(endpoint, Optional.empty());
    }

    private static StoreSettings settings(URI endpoint, Optional<StoreKeys> keys) {
        return new StoreSettings(endpoint, Optional.empty(), "us-east-1", "images", "", keys, Optional.empty(),
                Optional.empty(), true, true, Duration.ofSeconds(5), Duration.ofSeconds(30));
    }

    private String address() {
        return "http://127.0.0.1:" + surroundings.getAddress().getPort();
    }

    private static String soon(Duration validity) {
        return Instant.now().plus(validity).truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static Map<String, String> parameters(HttpExchange exchange) {
        return Stream.of(exchange.getRequestURI().getRawQuery().split("&")).map(each -> each.split("=", 2))
                .collect(Collectors.toMap(pair -> pair[0], pair -> URLDecoder.decode(pair[1], UTF_8), (a, b) -> b, HashMap::new));
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        try (exchange) {
            byte[] body = text.getBytes(UTF_8);
            exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
        }
    }
}
