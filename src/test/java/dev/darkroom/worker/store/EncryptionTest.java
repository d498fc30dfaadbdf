package dev.darkroom.worker.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.stack.EmbeddedStore;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the store is asked for. The store of these tests encrypts nothing: it ignores what it is asked, or refuses. */
class EncryptionTest {

    private static final String KEY = "images/ab/request-0.png";

    @TempDir
    private Path data;

    @ParameterizedTest
    @CsvSource({"AES256, ", "aws:kms, ", "aws:kms, alias/darkroom"})
    void everyPutAsksForIt(String algorithm, String keyId) throws Exception {
        var asked = new ConcurrentLinkedQueue<Map<String, List<String>>>();
        try (var server = new TolerantStore(data);
                var proxy = new RefusingProxy(server.endpoint(), exchange -> {
                    if (exchange.getRequestMethod().equals("PUT") && exchange.getRequestURI().getPath().endsWith(KEY)) {
                        asked.add(Map.copyOf(exchange.getRequestHeaders()));
                    }
                    return null;
                });
                var store = store(proxy.endpoint(), new Encryption(algorithm, Optional.ofNullable(keyId)))) {
            store.open();
            StoredObject object = store.putIfAbsent(KEY, "pixels".getBytes(UTF_8), "image/png", Map.of());
            assertThat(object.created()).isTrue();
            assertThat(store.conditionalPuts()).isTrue();
            assertThat(store.get(KEY)).isPresent();
        }
        assertThat(asked).hasSize(1).allSatisfy(headers -> {
            assertThat(headers.get("X-amz-server-side-encryption")).containsExactly(algorithm);
            assertThat(headers.get("X-amz-server-side-encryption-aws-kms-key-id"))
                    .isEqualTo(keyId == null ? null : List.of(keyId));
        });
    }

    @Test
    void aStoreThatDoesNotTakeItRefusesToOpen() throws Exception {
        try (EmbeddedStore server = EmbeddedStore.start(TolerantStore.freePort(), data);
                var store = store(server.endpoint(), new Encryption(Encryption.AES, Optional.empty()))) {
            assertThatThrownBy(store::open)
                    .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.transientFault()).isFalse())
                    .hasMessageContaining("HTTP 501 NotImplemented");
        }
    }

    private static MinioImageStore store(URI endpoint, Encryption encryption) {
        return new MinioImageStore(new StoreSettings(endpoint, Optional.empty(), "us-east-1", "images", "",
                Optional.of(new StoreKeys(EmbeddedStore.ACCESS_KEY, EmbeddedStore.SECRET_KEY, Optional.empty())),
                Optional.of(encryption), Optional.empty(), true, true, Duration.ofSeconds(5), Duration.ofSeconds(30)));
    }
}
