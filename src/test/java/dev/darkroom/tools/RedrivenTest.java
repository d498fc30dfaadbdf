package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.junit.jupiter.api.Test;

class RedrivenTest {

    @Test
    void whatIsSentWithoutAGapMovesTheOffset() {
        Redriven redriven = new Redriven(null, 10);
        redriven.add(10, 13);

        assertThat(redriven.commit()).isEqualTo(new OffsetAndMetadata(13, ""));
    }

    @Test
    void whatIsSentBeyondAGapIsListedAndKnownAgain() {
        Redriven redriven = new Redriven(null, 10);
        redriven.add(10, 12);
        redriven.add(14, 18);
        redriven.add(21, 22);

        assertThat(redriven.commit()).isEqualTo(new OffsetAndMetadata(12, "2-5,9"));
        Redriven again = new Redriven(redriven.commit(), 0);
        assertThat(LongStream.range(0, 25).filter(offset -> !again.contains(offset)))
                .containsExactly(12L, 13L, 18L, 19L, 20L, 22L, 23L, 24L);
        assertThat(again.position()).isEqualTo(12);
        again.add(12, 14);
        assertThat(again.commit()).isEqualTo(new OffsetAndMetadata(18, "3"));
    }

    @Test
    void whatTheTopicHasDeletedIsDone() {
        Redriven redriven = new Redriven(new OffsetAndMetadata(12, "2-5,9"), 16);

        assertThat(redriven.commit()).isEqualTo(new OffsetAndMetadata(18, "3"));
        assertThat(new Redriven(new OffsetAndMetadata(12, "2-5,9"), 100).commit()).isEqualTo(new OffsetAndMetadata(100, ""));
    }

    @Test
    void aListThatNoBrokerTakesIsCut() {
        Redriven redriven = new Redriven(null, 0);
        LongStream.range(1, 5_000).forEach(i -> redriven.add(2 * i, 2 * i + 1));

        assertThat(redriven.commit().metadata()).startsWith("2,4,6,").hasSizeLessThanOrEqualTo(4096).hasSizeGreaterThan(4080);
    }

    @Test
    void metadataOfAnotherKindIsRefused() {
        assertThatThrownBy(() -> new Redriven(new OffsetAndMetadata(12, "host-1"), 0)).isInstanceOf(NumberFormatException.class);
    }
}
