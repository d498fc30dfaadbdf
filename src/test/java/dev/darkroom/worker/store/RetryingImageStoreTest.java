package dev.darkroom.worker.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.darkroom.stack.EmbeddedStore;
import dev.darkroom.worker.Retries;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Needs to stop and start the store alone, so it uses the embedded one whatever the machine offers. */
class RetryingImageStoreTest {

    private static final String KEY = "images/ab/request-0.png";
    private static final byte[] IMAGE = "pixels".getBytes(UTF_8);

    @TempDir
    private Path data;
    private int port;
    private EmbeddedStore server;
    private ImageStore store;
    private final Retries retries = new Retries();

    @BeforeEach
    void startServer() throws Exception {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        server = EmbeddedStore.start(port, data);
        store = retrying(EmbeddedStore.SECRET_KEY, Duration.ofSeconds(10));
        store.open();
    }

    @AfterEach
    void stopServer() throws Exception {
        store.close();
        server.close();
    }

    @Test
    void anOutageIsWaitedOutWithTheBytesInHand() throws Exception {
        server.close();
        CompletableFuture<StoredObject> put = CompletableFuture.supplyAsync(this::put);
        awaitRetry();
        assertThat(put).isNotDone();

        server = EmbeddedStore.start(port, data);

        assertThat(put.get(30, TimeUnit.SECONDS).created()).isTrue();
        assertThat(store.get(KEY)).hasValueSatisfying(content -> assertThat(content).isEqualTo(IMAGE));
    }

    @Test
    void whatIsWaitedForIsTold() throws Exception {
        server.close();
        CompletableFuture<StoredObject> put = CompletableFuture.supplyAsync(this::put);
        await().atMost(Duration.ofSeconds(10)).untilAsserted(() ->
                assertThat(retries.waitingLongerThan(Duration.ofMillis(300))).hasValueSatisfying(sentence ->
                        assertThat(sentence).contains("could not write to the object store", "cannot be reached")
                                .doesNotContain("127.0.0.1", "localhost")));
        server = EmbeddedStore.start(port, data);

        put.get(30, TimeUnit.SECONDS);
        assertThat(retries.waitingLongerThan(Duration.ZERO)).isEmpty();
    }

    @Test
    void anInterruptedThreadGivesUpAndStaysInterrupted() throws Exception {
        server.close();
        var stillInterrupted = new CompletableFuture<Boolean>();
        var thread = new Thread(() -> {
            try {
                put();
                stillInterrupted.completeExceptionally(new AssertionError("the put came back"));
            } catch (CancellationException e) {
                stillInterrupted.complete(Thread.currentThread().isInterrupted());
            }
        });
        thread.start();
        awaitRetry();

        thread.interrupt();

        assertThat(stillInterrupted.get(30, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void afterCloseNothingIsTriedAgain() throws Exception {
        server.close();
        CompletableFuture<StoredObject> put = CompletableFuture.supplyAsync(this::put);
        awaitRetry();

        retries.close();

        assertThatThrownBy(() -> put.get(30, TimeUnit.SECONDS)).hasRootCauseInstanceOf(CancellationException.class);
    }

    @Test
    void aRefusalIsPutUpWithForAWhileAtOpening() {
        try (ImageStore stranger = retrying("guessed", Duration.ofMillis(500))) {
            long start = System.nanoTime();
            assertThatThrownBy(stranger::open)
                    .isInstanceOfSatisfying(StorageException.class, e -> assertThat(e.transientFault()).isFalse());
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThan(Duration.ofMillis(450));
        }
    }

    @Test
    void aRefusalIsWaitedOutLater() throws Exception {
        server.close();
        server = EmbeddedStore.start(port, data, "another-secret");
        CompletableFuture<StoredObject> put = CompletableFuture.supplyAsync(this::put);
        await().atMost(Duration.ofSeconds(10)).untilAsserted(() ->
                assertThat(retries.waitingLongerThan(Duration.ofMillis(300))).hasValueSatisfying(sentence ->
                        assertThat(sentence).contains("HTTP 403")));
        server.close();
        server = EmbeddedStore.start(port, data);

        assertThat(put.get(30, TimeUnit.SECONDS).created()).isTrue();
    }

    private void awaitRetry() {
        await().atMost(Duration.ofSeconds(10)).until(() -> retries.waitingLongerThan(Duration.ofMillis(300)).isPresent());
    }

    private StoredObject put() {
        return store.putIfAbsent(KEY, IMAGE, "image/png", Map.of());
    }

    private ImageStore retrying(String secretKey, Duration refusalsAtOpening) {
        var settings = new StoreSettings(URI.create("http://127.0.0.1:" + port), "us-east-1", "images",
                EmbeddedStore.ACCESS_KEY, secretKey, true, true, Duration.ofSeconds(2), Duration.ofSeconds(10));
        return new RetryingImageStore(new MinioImageStore(settings), retries, refusalsAtOpening);
    }
}
