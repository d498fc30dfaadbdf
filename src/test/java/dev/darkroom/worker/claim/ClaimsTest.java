package dev.darkroom.worker.claim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.darkroom.worker.Records;
import dev.darkroom.worker.claim.Claims.Answer;
import dev.darkroom.worker.claim.Claims.Claimed;
import dev.darkroom.worker.claim.Claims.Closed;
import dev.darkroom.worker.claim.Claims.NotAssigned;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ClaimsTest {

    private static final TopicPartition FIRST = Records.partition(0);
    private static final Duration MOMENT = Duration.ofMillis(50);
    private static final Settlement COMPLETED = new Settlement("completed", "");

    private final Claims claims = Records.claims(2);
    private final List<String> turns = new ArrayList<>();

    @Test
    void nothingIsClaimedBeforeTheWorkerIsOpen() throws Exception {
        Claims unopened = new Claims(2, null, null);
        var claiming = claiming(unopened, 0);
        assertStillWaiting(claiming);

        unopened.close();
        assertThat(claiming.get(5, TimeUnit.SECONDS)).isInstanceOf(Closed.class);
    }

    @Test
    void theNextWaitsUntilThereIsAPlace() throws Exception {
        Claim first = claim(0, 0);
        claim(0, 1);
        var third = claiming(claims, 2);
        assertStillWaiting(third);

        first.settle(COMPLETED);
        assertThat(third.get(5, TimeUnit.SECONDS)).isInstanceOf(Claimed.class);
    }

    @Test
    void aLaneThatIsFullKeepsTheOtherFromNothing() throws Exception {
        claim(0, 0);
        claim(0, 1);
        var third = claiming(claims, 2);
        Claim express = Records.claim(claims, Lane.EXPRESS, Records.record(1, 7));
        assertStillWaiting(third);
        assertThat(claims.count()).isEqualTo(3);
        assertThat(express.place()).isEqualTo("express-1-7");

        express.settle(COMPLETED);
        assertStillWaiting(third);
        claims.close();
        assertThat(third.get(5, TimeUnit.SECONDS)).isInstanceOf(Closed.class);
    }

    @Test
    void whoWaitsWhenTheWorkerClosesGetsNone() throws Exception {
        claim(0, 0);
        claim(0, 1);
        var third = claiming(claims, 2);
        claims.close();

        assertThat(third.get(5, TimeUnit.SECONDS)).isInstanceOf(Closed.class);
        assertThat(claims.count()).isEqualTo(2);
    }

    @Test
    void aPartitionIsDoneUpToItsFirstRecordUnderWay() {
        Claim first = claim(0, 5);
        Claim second = claim(0, 6);
        assertThat(claims.committable()).containsEntry(FIRST, new OffsetAndMetadata(5));
        second.deadLetter("no request");
        assertThat(claims.committable()).containsEntry(FIRST, new OffsetAndMetadata(5));
        first.settle(COMPLETED);
        assertThat(claims.committable()).containsEntry(FIRST, new OffsetAndMetadata(7));
    }

    @Test
    void whatIsCommittedIsNotCommittedAgain() {
        claim(0, 5).settle(COMPLETED);
        claims.committed(claims.committable());

        assertThat(claims.committable()).isEmpty();
    }

    @Test
    void aReleasedRecordHoldsItsPartitionsOffset() {
        Claim released = claim(0, 5);
        Claim settled = claim(0, 6);
        released.release("for a test");
        settled.settle(COMPLETED);

        assertThat(claims.count()).isZero();
        assertThat(claims.committable()).containsEntry(FIRST, new OffsetAndMetadata(5));
        assertThat(claims.givenUp()).hasValueSatisfying(sentence -> assertThat(sentence).contains("A record", "restart"));
    }

    @Test
    void aClaimEndsOnce() {
        Claim claim = claim(0, 0);
        claim.settle(COMPLETED);

        assertThatIllegalStateException().isThrownBy(() -> claim.deadLetter("again")).withMessageContaining("SETTLED");
        assertThatIllegalStateException().isThrownBy(() -> claim.release("again"));
        assertThatIllegalStateException().isThrownBy(claim::park);
        assertThat(claims.count()).isZero();
    }

    @Test
    void whatWaitsIsReleasedWithItsPartitionAndWhatIsWorkedOnMayEnd() throws Exception {
        Claim worked = claim(0, 3);
        Claim waiting = claim(0, 4);
        assertThat(waiting.park()).isTrue();

        var revoked = CompletableFuture.supplyAsync(() -> revoke(Duration.ofSeconds(10)));
        assertStillWaiting(revoked);
        assertThat(waiting.resume()).isFalse();
        worked.settle(COMPLETED);

        assertThat(revoked.get(5, TimeUnit.SECONDS)).isEqualTo(new OffsetAndMetadata(4));
        assertThat(claims.count()).isZero();
    }

    @Test
    void aRevocationDoesNotWaitForEver() {
        Claim slow = claim(0, 3);
        assertThat(slow.lost()).isFalse();
        assertThat(revoke(MOMENT)).isEqualTo(new OffsetAndMetadata(3));
        assertThat(slow.lost()).isTrue();

        // It gives its place back all the same, and nothing of it is committed for whoever has the partition now
        claims.assign(List.of(FIRST));
        slow.settle(COMPLETED);
        assertThat(claims.count()).isZero();
        assertThat(claims.committable()).isEmpty();
    }

    @Test
    void aRevokedPartitionIsNotClaimedUntilItIsAssignedAgain() throws Exception {
        revoke(MOMENT);
        assertThat(claims.claim(Lane.ORDINARY, Records.record(0, 0))).isInstanceOf(NotAssigned.class);

        claims.assign(List.of(FIRST));
        assertThat(claims.claim(Lane.ORDINARY, Records.record(0, 0))).isInstanceOf(Claimed.class);
    }

    @Test
    void aClaimThatIsParkedTooLateIsReleasedAtOnce() {
        Claim late = claim(0, 3);
        revoke(MOMENT);
        assertThat(late.park()).isFalse();

        Claim later = claim(1, 3);
        claims.close();
        assertThat(later.park()).isFalse();
        assertThat(claims.count()).isZero();
    }

    @Test
    void thoseWithOneRequestIdTakeTurnsInOrder() {
        Claims many = Records.claims(10);
        List<Claim> copies = List.of(takesTurn(many, 0, "a"), takesTurn(many, 1, "a"), takesTurn(many, 2, "a"));
        takesTurn(many, 3, "b");
        assertThat(turns).containsExactly("a-0", "b-3");

        copies.get(0).settle(COMPLETED);
        assertThat(turns).containsExactly("a-0", "b-3", "a-1");
        copies.get(1).release("for a test");
        assertThat(turns).containsExactly("a-0", "b-3", "a-1", "a-2");
        copies.get(2).deadLetter("for a test");
        takesTurn(many, 4, "a");
        assertThat(turns).endsWith("a-4");
    }

    @Test
    void aTurnPassesOverThoseThatWereReleasedMeanwhile() {
        Claims many = Records.claims(10);
        Claim first = takesTurn(many, 1, 0, "a");
        takesTurn(many, 0, 1, "a");
        takesTurn(many, 1, 2, "a");
        CompletableFuture.runAsync(() -> revoke(many, MOMENT)).join();

        first.settle(COMPLETED);
        assertThat(turns).containsExactly("a-0", "a-2");
    }

    @Test
    void whateverEscapesAStageEndsTheClaim() {
        Claims many = Records.claims(10);
        List<Throwable> failures = List.of(new IllegalStateException("a bug"), new OutOfMemoryError("for a test"),
                new StackOverflowError());
        for (int i = 0; i < failures.size(); i++) {
            Throwable failure = failures.get(i);
            Claim claim = Records.claim(many, Records.record(0, i));
            claim.attend(() -> raise(failure), escaped -> claim.deadLetter(escaped.toString()));
        }
        assertThat(many.count()).isZero();
        assertThat(many.committable()).containsEntry(FIRST, new OffsetAndMetadata(3));
    }

    @Test
    void aLastResortThatFailsReleasesTheClaim() {
        Claim claim = claim(0, 0);
        claim.attend(() -> raise(new IllegalStateException("a bug")), failure -> raise(new IllegalStateException("another")));

        assertThat(claims.count()).isZero();
        assertThat(claims.givenUp()).isPresent();
    }

    @Test
    void aWorkerThatStopsReleasesTheClaim() {
        Claim claim = claim(0, 0);
        claim.attend(() -> raise(new CancellationException("stopping")), failure -> claim.deadLetter("not this"));

        assertThat(claims.count()).isZero();
        assertThat(claims.committable()).containsEntry(FIRST, new OffsetAndMetadata(0));
    }

    @Test
    void aTimestampThatCannotBeRightIsNotWhenTheRecordWasProduced() {
        Instant before = Instant.now();
        Claims many = Records.claims(10);
        long[] wrong = {-1, 0, 1, Long.MAX_VALUE, before.minus(Duration.ofDays(400)).toEpochMilli(),
            before.plus(Duration.ofDays(1)).toEpochMilli()};
        for (int i = 0; i < wrong.length; i++) {
            assertThat(Records.claim(many, Records.record(0, i, wrong[i])).produced()).isAfterOrEqualTo(before);
        }
        long right = before.minus(Duration.ofHours(3)).toEpochMilli();
        assertThat(Records.claim(many, Records.record(0, wrong.length, right)).produced().toEpochMilli()).isEqualTo(right);
    }

    private static void raise(Throwable failure) {
        if (failure instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) failure;
    }

    private Claim takesTurn(Claims claims, long offset, String id) {
        return takesTurn(claims, 0, offset, id);
    }

    private Claim takesTurn(Claims claims, int partition, long offset, String id) {
        Claim claim = Records.claim(claims, Records.record(partition, offset));
        claim.identify(id);
        Runnable turn = () -> turns.add(id + "-" + offset);
        if (claims.takeTurn(claim, turn)) {
            turn.run();
        }
        return claim;
    }

    private Claim claim(int partition, long offset) {
        return Records.claim(claims, Records.record(partition, offset));
    }

    private static CompletableFuture<Answer> claiming(Claims claims, long offset) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return claims.claim(Lane.ORDINARY, Records.record(0, offset));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    private OffsetAndMetadata revoke(Duration timeout) {
        return revoke(claims, timeout);
    }

    private static OffsetAndMetadata revoke(Claims claims, Duration timeout) {
        try {
            return claims.revoke(List.of(FIRST), timeout).get(FIRST);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void assertStillWaiting(CompletableFuture<?> future) throws Exception {
        try {
            assertThat(future.get(MOMENT.toMillis(), TimeUnit.MILLISECONDS)).as("what it did not wait for").isNull();
        } catch (TimeoutException e) {
            // As it should
        }
    }
}
