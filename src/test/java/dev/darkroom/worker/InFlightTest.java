package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class InFlightTest {

    private static final TopicPartition FIRST = new TopicPartition("darkroom.requests", 0);
    private static final Duration MOMENT = Duration.ofMillis(50);

    private final Records records = new Records();
    private final InFlight inFlight = new InFlight(2);

    @BeforeEach
    void open() {
        inFlight.open();
    }

    @Test
    void nobodyEntersBeforeItIsOpen() throws Exception {
        InFlight unopened = new InFlight(2);
        var entering = CompletableFuture.supplyAsync(() -> enter(unopened, records.record(0, 0)));
        Thread.sleep(MOMENT.toMillis());
        assertThat(entering).isNotDone();

        unopened.open();
        assertThat(entering.get(5, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void theNextWaitsUntilAPlaceIsFree() throws Exception {
        SourceRecord first = records.record(0, 0);
        enter(inFlight, first);
        enter(inFlight, records.record(0, 1));
        var third = CompletableFuture.supplyAsync(() -> enter(inFlight, records.record(0, 2)));
        Thread.sleep(MOMENT.toMillis());
        assertThat(third).isNotDone();

        inFlight.done(first);
        assertThat(third.get(5, TimeUnit.SECONDS)).isTrue();
        assertThat(records.acknowledged()).containsExactly(0L);
    }

    @Test
    void whoWaitsWhenItClosesStaysOutside() throws Exception {
        enter(inFlight, records.record(0, 0));
        enter(inFlight, records.record(0, 1));
        var third = CompletableFuture.supplyAsync(() -> enter(inFlight, records.record(0, 2)));
        inFlight.close();

        assertThat(third.get(5, TimeUnit.SECONDS)).isFalse();
        assertThat(inFlight.count()).isEqualTo(2);
    }

    @Test
    void anAbandonedRecordIsNotAcknowledgedAndHoldsItsPartitionsOffset() throws Exception {
        SourceRecord abandoned = records.record(0, 5);
        SourceRecord done = records.record(0, 6);
        enter(inFlight, abandoned);
        enter(inFlight, done);
        inFlight.abandon(abandoned);
        inFlight.done(done);

        assertThat(records.acknowledged()).containsExactly(6L);
        assertThat(inFlight.awaitEmpty(List.of(FIRST), MOMENT)).isTrue();
        assertThat(inFlight.forget(List.of(FIRST))).containsEntry(FIRST, new OffsetAndMetadata(5));
    }

    @Test
    void aPartitionThatIsDoneIsCommittedBehindItsLastRecord() throws Exception {
        SourceRecord record = records.record(0, 41);
        enter(inFlight, record);
        assertThat(inFlight.awaitEmpty(List.of(FIRST), MOMENT)).isFalse();

        inFlight.done(record);
        assertThat(inFlight.awaitEmpty(List.of(FIRST), MOMENT)).isTrue();
        assertThat(inFlight.forget(List.of(FIRST))).containsEntry(FIRST, new OffsetAndMetadata(42));
    }

    @Test
    void aLateRecordDoesNotPassForItsRedelivery() throws Exception {
        SourceRecord late = records.record(0, 3);
        enter(inFlight, late);
        inFlight.forget(List.of(FIRST));
        enter(inFlight, records.record(0, 3));
        inFlight.done(late);

        assertThat(inFlight.forget(List.of(FIRST))).containsEntry(FIRST, new OffsetAndMetadata(3));
    }

    private static boolean enter(InFlight inFlight, SourceRecord record) {
        try {
            return inFlight.enter(record);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
