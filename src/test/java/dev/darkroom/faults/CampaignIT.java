package dev.darkroom.faults;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.faults.Kind.Target;
import dev.darkroom.faults.Plan.Fault;
import dev.darkroom.faults.Plan.Lane;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A campaign of half a minute: what `./darkroom faults` does for an hour. */
class CampaignIT {

    private static final int LASTS_MS = 1_000;

    @TempDir
    Path folder;

    @Test
    @Timeout(180)
    void nothingIsLostToldTwiceMixedOrAnsweredUnasked() throws Exception {
        Plan plan = new Plan(1, List.of(
                lane(Target.WORKER, 0, Kind.STORE_ANSWERS_LOST, Kind.WORKER_KILLED, Kind.STORE_503),
                lane(Target.WORKER, 1, Kind.KAFKA_CUT, Kind.STORE_ANSWERS_TORN, Kind.KAFKA_ANSWERS_LOST, Kind.WORKER_PAUSED),
                lane(Target.RECORDS, -1, Kind.COPIES, Kind.TWO_PAYLOADS, Kind.HEADER_TOO_LARGE, Kind.KEY_TOO_LARGE,
                        Kind.OUTCOME_TOO_LARGE, Kind.NO_KEY, Kind.ABORTED, Kind.COMMITTED, Kind.INVALID, Kind.ID_REUSED,
                        Kind.DEADLINE_NEAR, Kind.CANCELLED, Kind.CANCELLED_FIRST, Kind.CANCELLED_COPIES, Kind.CANCELLED_LATE,
                        Kind.EXPRESS_COPIES, Kind.EXPRESS_INVALID, Kind.EXPRESS_BROKEN_JSON, Kind.WRONG_TIME)), List.of());

        Run run = new Campaign(plan, folder, 2, 4, 60, line -> { }).run();

        assertThat(run.findings()).isEmpty();
        assertThat(run.good()).isTrue();
        assertThat(run.faults()).isEqualTo(plan.faults());
        assertThat(run.workersEndedByThemselves() + run.workersRestartedForLiveness()).isZero();
    }

    private static Lane lane(Target target, int worker, Kind... kinds) {
        return new Lane(target, worker, Stream.of(kinds).map(kind ->
                new Fault(kind, 500, kind.longest == 0 ? 0 : LASTS_MS, kind.ordinal())).toList());
    }
}
