package dev.darkroom.worker.claim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.contract.ImageFormat;
import dev.darkroom.worker.Records;
import dev.darkroom.worker.store.ObjectKeys;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.MessageDigestSpi;
import java.security.Provider;
import java.security.Security;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JobTest {

    /** What all else is derived from is digested when the record is read, and never again. */
    @ParameterizedTest
    @ValueSource(strings = {"{\"requestId\": \"r\", \"prompt\": \"a lime\", \"count\": 8}",
        "{\"requestId\": \"r\", \"prompt\": \"a lime\", \"count\": 8, \"seed\": 7}"})
    void aRequestTakesTwoDigestsOnItsWholeWay(String json) {
        Digests digests = new Digests();
        Security.insertProviderAt(digests, 1);
        try {
            Job job = new Job(null, Records.read(json)).attempted(1);
            Stream.of(ObjectKeys.outcome(job.identity()), ObjectKeys.attempt(job.identity(), 1)).forEach(key ->
                    assertThat(key).contains("/r"));
            for (int i = 0; i < job.images(); i++) {
                assertThat(ObjectKeys.image(job.identity(), i, ImageFormat.PNG)).endsWith("-" + i + ".png");
                assertThat(job.prompts().get(i).seed()).isEqualTo(job.request().seedOf(i));
            }
        } finally {
            Security.removeProvider(digests.getName());
        }
        assertThat(digests.count).hasValue(2);
    }

    @Test
    void theSeedIsTheOneThatTheRequestIdGives() {
        var request = Records.read("{\"requestId\": \"order-4711\", \"prompt\": \"a lime\"}");

        assertThat(new Job(null, request).request().seed()).hasValue(request.resolvedSeed());
    }

    /** Java's own SHA-256, counted. */
    private static final class Digests extends Provider {
        private static final long serialVersionUID = 1;
        private final transient AtomicInteger count = new AtomicInteger();

        Digests() {
            super("counted", "1", "counts digests");
            putService(new Service(this, "MessageDigest", "SHA-256", Counted.class.getName(), null, null) {
                @Override
                public Object newInstance(Object parameter) {
                    return new Counted(count);
                }
            });
        }
    }

    private static final class Counted extends MessageDigestSpi {
        private final AtomicInteger count;
        private final MessageDigest digest;

        Counted(AtomicInteger count) {
            this.count = count;
            try {
                digest = MessageDigest.getInstance("SHA-256", "SUN");
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        protected void engineUpdate(byte input) {
            digest.update(input);
        }

        @Override
        protected void engineUpdate(byte[] input, int offset, int length) {
            digest.update(input, offset, length);
        }

        @Override
        protected byte[] engineDigest() {
            count.incrementAndGet();
            return digest.digest();
        }

        @Override
        protected void engineReset() {
            digest.reset();
        }
    }
}
