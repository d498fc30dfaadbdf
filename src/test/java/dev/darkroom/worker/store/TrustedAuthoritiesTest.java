package dev.darkroom.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import javax.net.ssl.SSLHandshakeException;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A store whose certificate is signed by an authority that Java does not know. */
class TrustedAuthoritiesTest {

    private static final HeldCertificate AUTHORITY = new HeldCertificate.Builder().certificateAuthority(0).build();

    @TempDir
    private Path folder;

    @Test
    void aStoreIsTrustedWhoseAuthorityIs() throws Exception {
        Path another = file(new HeldCertificate.Builder().certificateAuthority(0).build().certificatePem());
        HttpsServer server = server();
        try (var trusting = store(server, Optional.of(file(AUTHORITY.certificatePem())));
                var trustingAnother = store(server, Optional.of(another)); var without = store(server, Optional.empty())) {
            trusting.ping();
            assertThatThrownBy(trustingAnother::ping).satisfies(TrustedAuthoritiesTest::isOfItsCertificate);
            assertThatThrownBy(without::ping).satisfies(TrustedAuthoritiesTest::isOfItsCertificate);
        } finally {
            server.stop(0);
        }
    }

    private static void isOfItsCertificate(Throwable e) {
        assertThat(e).isInstanceOf(StorageException.class).hasCauseInstanceOf(SSLHandshakeException.class);
        assertThat(((StorageException) e).transientFault()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
    void aFileWithoutCertificatesIsRefused(String content) throws Exception {
        Path file = file(content);
        assertThatThrownBy(() -> TrustedAuthorities.of(file)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("darkroom.store.ca-file is %s; it must be a file with certificates in PEM", file);
    }

    @Test
    void soIsOneThatIsNotThere() {
        assertThatThrownBy(() -> TrustedAuthorities.of(folder.resolve("none.pem"))).isInstanceOf(IllegalArgumentException.class);
    }

    private Path file(String content) throws IOException {
        return Files.writeString(Files.createTempFile(folder, "ca", ".pem"), content);
    }

    /** It says of every bucket that it is there. */
    private static HttpsServer server() throws IOException {
        HeldCertificate certificate = new HeldCertificate.Builder().signedBy(AUTHORITY)
                .addSubjectAlternativeName("127.0.0.1").build();
        HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(
                new HandshakeCertificates.Builder().heldCertificate(certificate).build().sslContext()));
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        return server;
    }

    private static MinioImageStore store(HttpsServer server, Optional<Path> caFile) {
        URI endpoint = URI.create("https://127.0.0.1:" + server.getAddress().getPort());
        return new MinioImageStore(new StoreSettings(endpoint, Optional.empty(), "us-east-1", "images", "",
                Optional.of(new StoreKeys("key", "secret", Optional.empty())), Optional.empty(),
                caFile.map(TrustedAuthorities::of), true, false, Duration.ofSeconds(5), Duration.ofSeconds(5)));
    }
}
