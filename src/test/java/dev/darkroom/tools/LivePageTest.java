package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.page.PageSettings;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.clients.producer.MockProducer;
import org.junit.jupiter.api.Test;

/** What becomes of the clients of a page that does not open. */
class LivePageTest {

    private static final String NOBODY = "localhost:9";

    private final MockConsumer<byte[], byte[]> consumer = new MockConsumer<>("earliest");
    private final MockProducer<String, byte[]> producer = new MockProducer<>();

    @Test
    void theConsumerIsClosedWhereThereIsNoProducer() {
        assertThatThrownBy(() -> LivePage.start(settings(0), () -> consumer, refuses(), refuses())).hasMessage("refused");

        assertThat(consumer.closed()).isTrue();
    }

    @Test
    void bothAreClosedWhereThereIsNoAdminClient() {
        assertThatThrownBy(() -> LivePage.start(settings(0), () -> consumer, () -> producer, refuses())).hasMessage("refused");

        assertThat(consumer.closed()).isTrue();
        assertThat(producer.closed()).isTrue();
    }

    @Test
    void allAreClosedWhereThePortIsTaken() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            int port = taken.getLocalPort();

            assertThatThrownBy(() -> LivePage.start(settings(port), () -> consumer, () -> producer,
                    () -> Admin.create(Map.of("bootstrap.servers", NOBODY))))
                    .isInstanceOf(CommandException.class).hasMessage("Port " + port + " was taken a moment ago.");
        }
        assertThat(consumer.closed()).isTrue();
        assertThat(producer.closed()).isTrue();
    }

    private static PageSettings settings(int port) {
        return PageSettings.of(port, NOBODY, "darkroom", Map.of());
    }

    private static <T> Supplier<T> refuses() {
        return () -> {
            throw new CommandException("refused");
        };
    }
}
