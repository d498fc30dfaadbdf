package dev.darkroom.worker.store;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.List;
import okhttp3.OkHttpClient;
import okhttp3.tls.HandshakeCertificates;

/**
 * Authorities whose signature on a server's certificate counts, besides those that Java trusts.
 *
 * @param certificates theirs, one at least
 */
public record TrustedAuthorities(List<X509Certificate> certificates) {

    public TrustedAuthorities {
        certificates = List.copyOf(certificates);
    }

    /**
     * Those of a file in PEM.
     *
     * @throws IllegalArgumentException if there are none in it, with a sentence but for its full stop
     */
    public static TrustedAuthorities of(Path file) {
        try (InputStream content = Files.newInputStream(file)) {
            List<X509Certificate> certificates = CertificateFactory.getInstance("X.509").generateCertificates(content).stream()
                    .map(X509Certificate.class::cast)
                    .toList();
            if (!certificates.isEmpty()) {
                return new TrustedAuthorities(certificates);
            }
        } catch (IOException | CertificateException e) {
            throw new IllegalArgumentException(mustBe(file), e);
        }
        throw new IllegalArgumentException(mustBe(file));
    }

    private static String mustBe(Path file) {
        return "darkroom.store.ca-file is " + file + "; it must be a file with certificates in PEM";
    }

    void trustedBy(OkHttpClient.Builder client) {
        var handshake = new HandshakeCertificates.Builder().addPlatformTrustedCertificates();
        certificates.forEach(handshake::addTrustedCertificate);
        HandshakeCertificates trusted = handshake.build();
        client.sslSocketFactory(trusted.sslSocketFactory(), trusted.trustManager());
    }
}
