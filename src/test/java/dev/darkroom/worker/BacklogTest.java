package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.SchedulerName;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class BacklogTest {

    private static final GenerationParameters FINAL = new GenerationParameters(
            128, 128, 20, SchedulerName.DPMPP_2M, 7.5, 0.4, DecoderName.TINY, true);
    private static final GenerationParameters EULER = new GenerationParameters(
            128, 128, 20, SchedulerName.EULER_ANCESTRAL, 7.5, 1, DecoderName.FULL, true);

    private final Records records = new Records();
    private final List<Job> abandoned = new ArrayList<>();
    private final Backlog backlog = new Backlog(Duration.ofMillis(5), abandoned::add);

    @Test
    void jobsWithTheSameParametersShareABatch() throws Exception {
        add(0, 1, FINAL);
        add(1, 1, EULER);
        add(2, 1, FINAL);

        assertThat(takeOffsets(8)).containsExactly(0L, 2L);
        assertThat(takeOffsets(8)).containsExactly(1L);
    }

    @Test
    void theOldestJobLeadsWhateverItsParameters() throws Exception {
        add(0, 1, EULER);
        for (int offset = 1; offset <= 8; offset++) {
            add(offset, 1, FINAL);
        }

        assertThat(takeOffsets(8)).containsExactly(0L);
        assertThat(takeOffsets(8)).hasSize(8);
    }

    @Test
    void aBatchHoldsNoMoreImagesThanTheLargestBatch() throws Exception {
        add(0, 3, FINAL);
        add(1, 3, FINAL);
        add(2, 3, FINAL);
        add(3, 2, FINAL);

        assertThat(takeOffsets(8)).containsExactly(0L, 1L, 3L);
        assertThat(takeOffsets(8)).containsExactly(2L);
    }

    @Test
    void aRequestForMoreImagesThanTheLargestBatchRunsAlone() throws Exception {
        add(0, 8, FINAL);
        add(1, 1, FINAL);

        assertThat(takeOffsets(4)).containsExactly(0L);
    }

    @Test
    void aSuspectRunsAlone() throws Exception {
        backlog.add(records.job(0, 0, 1, true), FINAL);
        add(1, 1, FINAL);
        add(2, 1, FINAL);

        assertThat(takeOffsets(8)).containsExactly(0L);
        assertThat(takeOffsets(8)).containsExactly(1L, 2L);
    }

    @Test
    void aLoneJobWaitsForCompanyOnlyAsLongAsTheLingerTime() throws Exception {
        Backlog patient = new Backlog(Duration.ofMillis(200), abandoned::add);
        patient.add(records.job(0, 1), FINAL);
        long start = System.nanoTime();

        assertThat(patient.take(8)).isPresent();
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThanOrEqualTo(Duration.ofMillis(195));
    }

    @Test
    void aFullBatchDoesNotLinger() throws Exception {
        Backlog patient = new Backlog(Duration.ofMinutes(5), abandoned::add);
        patient.add(records.job(0, 4), FINAL);
        patient.add(records.job(1, 4), FINAL);

        assertThat(patient.take(8).orElseThrow().jobs()).hasSize(2);
    }

    @Test
    void companyThatComesWithinTheLingerTimeIsTakenAlong() throws Exception {
        Backlog patient = new Backlog(Duration.ofSeconds(10), abandoned::add);
        patient.add(records.job(0, 4), FINAL);
        var batch = CompletableFuture.supplyAsync(() -> take(patient, 8));
        patient.add(records.job(1, 4), FINAL);

        assertThat(batch.get(5, TimeUnit.SECONDS)).containsExactly(0L, 1L);
    }

    @Test
    void revokedPartitionsAreAbandonedUntilTheyAreAssignedAgain() throws Exception {
        List<TopicPartition> first = List.of(new TopicPartition("darkroom.requests", 0));
        backlog.add(records.job(0, 0, 1, false), FINAL);
        backlog.add(records.job(1, 7, 1, false), FINAL);

        backlog.revoke(first);
        backlog.add(records.job(0, 1, 1, false), FINAL);
        assertThat(abandoned).extracting(job -> job.source().offset()).containsExactly(0L, 1L);
        assertThat(takeOffsets(8)).containsExactly(7L);

        backlog.assign(first);
        backlog.add(records.job(0, 2, 1, false), FINAL);
        assertThat(takeOffsets(8)).containsExactly(2L);
    }

    @Test
    void closingAbandonsWhatWaitsAndEndsTheTaker() throws Exception {
        Backlog empty = new Backlog(Duration.ofMillis(5), abandoned::add);
        var taker = CompletableFuture.supplyAsync(() -> take(empty, 8));
        empty.close();
        assertThat(taker.get(5, TimeUnit.SECONDS)).isEmpty();

        add(0, 1, FINAL);
        backlog.close();
        assertThat(abandoned).hasSize(1);
        assertThat(takeOffsets(8)).isEmpty();
    }

    private void add(long offset, int count, GenerationParameters parameters) {
        backlog.add(records.job(offset, count), parameters);
    }

    private List<Long> takeOffsets(int largestBatch) {
        return take(backlog, largestBatch);
    }

    private static List<Long> take(Backlog backlog, int largestBatch) {
        try {
            return backlog.take(largestBatch).stream()
                    .flatMap(batch -> batch.jobs().stream())
                    .map(job -> job.source().offset())
                    .toList();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
