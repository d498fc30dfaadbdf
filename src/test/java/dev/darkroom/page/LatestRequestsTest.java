package dev.darkroom.page;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.Progress;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LatestRequestsTest {

    private final LatestRequests requests = new LatestRequests();

    @Test
    void theOldestGivesWay() {
        for (int i = 0; i <= LatestRequests.LIMIT; i++) {
            requested("r-" + i, i, i);
        }

        assertThat(requests.counts()).containsExactly(Map.entry(TrackedRequest.State.WAITING, LatestRequests.LIMIT));
        assertThat(requests.documents("r-0")).isEmpty();
        assertThat(requests.documents("r-1")).isPresent();
    }

    @Test
    void anOutcomeStaysWhateverIsReadAfterIt() {
        failed("r-1");
        requested("r-1", 0, 5);
        requests.progressed(Progress.denoising("r-1", 3, 20), "/darkroom", 6);

        JsonNode request = requests.since(0, 10).requests().get(0);
        assertThat(request.path("state").asText()).isEqualTo("failed");
        assertThat(request.path("prompt").asText()).isEqualTo("a red apple");
        assertThat(requests.since(0, 10).requests()).hasSize(1);
    }

    @Test
    void changesAreToldInTheirOrderAndNoneTwice() {
        requested("r-1", 0, 1);
        requested("r-2", 1, 1);
        long known = requests.since(0, 10).version();
        failed("r-1");

        assertThat(requests.since(0, 1).requests()).extracting(request -> request.path("id").asText()).containsExactly("r-2");
        assertThat(requests.since(known, 10).requests()).extracting(request -> request.path("id").asText())
                .containsExactly("r-1");
        assertThat(requests.since(requests.since(known, 10).version(), 10).requests()).isEmpty();
    }

    @Test
    void whatTheGroupHasCommittedWithoutAnOutcomeIsNotWaitingAnyMore() {
        requested("done", 4, 1);
        requested("next", 5, 1);
        requested("outcome may come yet", 3, 100);
        failed("failed");

        requests.removeDone(List.of(new RecordPlace("t", 0, 5), new RecordPlace("other", 0, 9)), 50);

        assertThat(requests.documents("done")).isEmpty();
        assertThat(requests.documents("next")).isPresent();
        assertThat(requests.documents("outcome may come yet")).isPresent();
        assertThat(requests.documents("failed")).isPresent();
        assertThat(requests.since(0, 10).requests()).anySatisfy(request -> {
            assertThat(request.path("id").asText()).isEqualTo("done");
            assertThat(request.path("state").asText()).isEqualTo("gone");
        });
    }

    @Test
    void aDeadLetterEndsTheWaitingOfItsRequest() {
        requested("dead", 7, 1);

        requests.remove(new RecordPlace("t", 0, 7));

        assertThat(requests.documents("dead")).isEmpty();
    }

    @Test
    void aWorkerThatFellSilentGeneratesNothing() {
        requests.progressed(Progress.started("silent", 20), "/darkroom", 10);
        requests.progressed(Progress.started("alive", 20), "/darkroom", 20);

        requests.removeSilent(15);

        assertThat(requests.documents("silent")).isEmpty();
        assertThat(requests.documents("alive")).isPresent();
    }

    private void requested(String id, long offset, long timestamp) {
        requests.requested(new RequestRecord(id, new RecordPlace("t", 0, offset), "ordinary", timestamp, "a red apple", "final",
                1, new byte[] {'{', '}'}));
    }

    private void failed(String id) {
        var failed = new Failed(id, FailureReason.EXPIRED, Optional.empty(), "Too late.", Map.of());
        requests.concluded(new Events("/darkroom").of(failed, Instant.EPOCH), failed, 1);
    }
}
