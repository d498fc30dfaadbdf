package dev.darkroom.worker.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jboss.logmanager.ExtLogRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class WatchTest {

    private static final Duration SOON = Duration.ofSeconds(20);

    private final Logger log = Logger.getLogger(Watch.class.getName());
    private final List<String> said = new CopyOnWriteArrayList<>();
    private final Handler listening = new Handler() {
        @Override
        public void publish(LogRecord record) {
            if (record.getThrown() == null) {
                said.add(ExtLogRecord.wrap(record).getFormattedMessage());
            }
        }

        @Override
        public void flush() {
        }

        @Override
        public void close() {
        }
    };

    @BeforeEach
    void listen() {
        log.addHandler(listening);
    }

    @AfterEach
    void listenNoMore() {
        log.removeHandler(listening);
    }

    @Test
    void aSilenceIsToldOnceAndThatItIsOver() {
        AtomicBoolean silent = new AtomicBoolean(true);
        AtomicInteger looks = new AtomicInteger();
        try (var watch = new Watch("The oracle", Duration.ofMillis(10), Duration.ofMillis(100), () -> {
            looks.incrementAndGet();
            if (silent.get()) {
                throw new IllegalStateException("nobody there");
            }
            return Optional.empty();
        })) {
            await().atMost(SOON).until(() -> !said.isEmpty());
            int then = looks.get();
            await().atMost(SOON).until(() -> looks.get() > then + 1);
            assertThat(said).singleElement().asString()
                    .startsWith("watch=trouble reason=\"The oracle has not answered for").endsWith(", since the start.\"");
            assertThat(watch.trouble()).isPresent();

            silent.set(false);
            await().atMost(SOON).until(() -> said.size() > 1);
            assertThat(said.get(1)).isEqualTo("watch=answered what=\"The oracle\"");
            assertThat(watch.trouble()).isEmpty();
        }
    }
}
