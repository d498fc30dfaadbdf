package dev.darkroom.worker.generate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.worker.Records;
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

    private static final double SHARE = 0.75;

    private final Records records = new Records();
    private final Backlog backlog = new Backlog(Duration.ofMillis(5), SHARE);

    @Test
    void jobsWithTheSameParametersShareABatch() throws Exception {
        add(0, 1, FINAL);
        add(1, 1, EULER);
        add(2, 1, FINAL);

        assertThat(takeOffsets(8)).containsExactly(0L, 2L);
        assertThat(takeOffsets(8)).containsExactly(1L);
    }

    @Test
    void jobsWithOtherAdaptersOrScalesDoNot() throws Exception {
        add(0, 1, adapted(new LoraAdapter("ink", 1), new LoraAdapter("wash", 0.5)));
        add(1, 1, FINAL);
        add(2, 1, adapted(new LoraAdapter("wash", 0.5), new LoraAdapter("ink", 1)));
        add(3, 1, adapted(new LoraAdapter("ink", 1), new LoraAdapter("wash", 0.6)));

        assertThat(takeOffsets(8)).containsExactly(0L, 2L);
        assertThat(takeOffsets(8)).containsExactly(1L);
        assertThat(takeOffsets(8)).containsExactly(3L);
    }

    @Test
    void jobsWhosePromptsAreReadAsMoreTextsDoNot() throws Exception {
        add(0, 1, FINAL.readingTexts(2));
        add(1, 1, FINAL);
        add(2, 1, FINAL.readingTexts(2));

        assertThat(takeOffsets(8)).containsExactly(0L, 2L);
        assertThat(takeOffsets(8)).containsExactly(1L);
    }

    private static GenerationParameters adapted(LoraAdapter... adapters) {
        return new GenerationParameters(128, 128, 20, SchedulerName.DPMPP_2M, 7.5, 0.4, DecoderName.TINY, true,
                List.of(adapters));
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
        backlog.add(records.job(0, 0, 1, 1), FINAL);
        add(1, 1, FINAL);
        add(2, 1, FINAL);

        assertThat(takeOffsets(8)).containsExactly(0L);
        assertThat(takeOffsets(8)).containsExactly(1L, 2L);
    }

    @Test
    void aLoneJobWaitsForCompanyOnlyAsLongAsTheLingerTime() throws Exception {
        Backlog patient = new Backlog(Duration.ofMillis(200), SHARE);
        patient.add(records.job(0, 1), FINAL);
        long start = System.nanoTime();

        assertThat(patient.take(8)).isPresent();
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThanOrEqualTo(Duration.ofMillis(195));
    }

    @Test
    void aFullBatchDoesNotLinger() throws Exception {
        Backlog patient = new Backlog(Duration.ofMinutes(5), SHARE);
        patient.add(records.job(0, 4), FINAL);
        patient.add(records.job(1, 4), FINAL);

        assertThat(patient.take(8).orElseThrow().jobs()).hasSize(2);
    }

    @Test
    void companyThatComesWithinTheLingerTimeIsTakenAlong() throws Exception {
        Backlog patient = new Backlog(Duration.ofSeconds(10), SHARE);
        patient.add(records.job(0, 4), FINAL);
        var batch = CompletableFuture.supplyAsync(() -> take(patient, 8));
        patient.add(records.job(1, 4), FINAL);

        assertThat(batch.get(5, TimeUnit.SECONDS)).containsExactly(0L, 1L);
    }

    @Test
    void whatIsReleasedMeanwhileIsPassedOver() throws Exception {
        List<TopicPartition> first = List.of(Records.partition(0));
        backlog.add(records.job(0, 0, 1, 0), FINAL);
        backlog.add(records.job(1, 7, 1, 0), FINAL);
        assertThat(backlog.size()).isEqualTo(2);

        records.claims().revoke(first, Duration.ofSeconds(5));
        assertThat(backlog.size()).isEqualTo(1);
        assertThat(takeOffsets(8)).containsExactly(7L);

        records.claims().assign(first);
        backlog.add(records.job(0, 2, 1, 0), FINAL);
        assertThat(takeOffsets(8)).containsExactly(2L);
    }

    @Test
    void whatComesTooLateIsReleased() throws Exception {
        var late = records.job(0, 1, 1, 0);
        records.claims().revoke(List.of(Records.partition(0)), Duration.ZERO);
        backlog.add(late, FINAL);
        records.claims().close();

        assertThat(backlog.size()).isZero();
        assertThat(records.claims().count()).isZero();
    }

    @Test
    void anExpressJobLeadsTheNextBatchWhereverItCame() throws Exception {
        add(0, 4, FINAL);
        add(1, 4, FINAL);
        add(2, 8, FINAL);
        addExpress(100, 1);

        assertThat(takeOffsets(8)).containsExactly(100L, 0L);
        assertThat(takeOffsets(8)).containsExactly(1L);
        assertThat(backlog.size()).isEqualTo(1);
    }

    @Test
    void othersGetTheirShareWhileExpressJobsKeepComing() throws Exception {
        for (int offset = 0; offset < 12; offset++) {
            add(offset, 8, FINAL);
            addExpress(100 + offset, 8);
        }

        List<Long> leads = new ArrayList<>();
        for (int batch = 0; batch < 12; batch++) {
            leads.addAll(takeOffsets(8));
        }
        assertThat(leads).containsExactly(100L, 101L, 102L, 0L, 103L, 104L, 105L, 1L, 106L, 107L, 108L, 2L);
    }

    @Test
    void anExpressJobThatFindsNoOtherIsOwedNothing() throws Exception {
        for (int round = 0; round < 4; round++) {
            add(round, 8, FINAL);
            addExpress(100 + round, 8);
            assertThat(takeOffsets(8)).containsExactly(100L + round);
            assertThat(takeOffsets(8)).containsExactly((long) round);
        }
    }

    @Test
    void whatFitsIsTakenAlongFromTheOtherLane() throws Exception {
        add(0, 1, EULER);
        add(1, 4, FINAL);
        addExpress(100, 3);
        addExpress(101, 4);

        assertThat(takeOffsets(8)).containsExactly(100L, 101L);
        assertThat(takeOffsets(8)).containsExactly(0L);
        addExpress(102, 4);
        assertThat(takeOffsets(8)).containsExactly(102L, 1L);
    }

    @Test
    void closingEndsTheTaker() throws Exception {
        var taker = CompletableFuture.supplyAsync(() -> take(backlog, 8));
        backlog.close();

        assertThat(taker.get(5, TimeUnit.SECONDS)).isEmpty();
    }

    private void add(long offset, int count, GenerationParameters parameters) {
        backlog.add(records.job(offset, count), parameters);
    }

    private void addExpress(long offset, int count) {
        backlog.add(records.expressJob(offset, count), FINAL);
    }

    private List<Long> takeOffsets(int largestBatch) {
        return take(backlog, largestBatch);
    }

    private static List<Long> take(Backlog backlog, int largestBatch) {
        try {
            return backlog.take(largestBatch).stream()
                    .flatMap(batch -> batch.jobs().stream())
                    .map(job -> job.claim().offset())
                    .toList();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
