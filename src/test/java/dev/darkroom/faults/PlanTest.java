package dev.darkroom.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.atIndex;

import dev.darkroom.faults.Kind.Target;
import dev.darkroom.faults.Plan.Fault;
import dev.darkroom.faults.Plan.Lane;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class PlanTest {

    @Test
    void aSeedIsOneSequence() {
        assertThat(Plan.of(1, 3, 340)).isEqualTo(Plan.of(1, 3, 340)).isNotEqualTo(Plan.of(2, 3, 340));
    }

    @Test
    void everyKindComesAndAboutAsOftenAsTheOthersOfItsTarget() {
        Plan plan = Plan.of(1, 3, 340);
        assertThat(plan.lanes().stream().mapToInt(lane -> lane.faults().size()).sum()).isEqualTo(340);
        Map<Kind, Long> counts = plan.lanes().stream().flatMap(lane -> lane.faults().stream())
                .collect(Collectors.groupingBy(Fault::kind, Collectors.counting()));
        assertThat(counts).containsOnlyKeys(Kind.values());
        counts.forEach((kind, count) -> counts.entrySet().stream().filter(other -> other.getKey().target == kind.target)
                .forEach(other -> assertThat(Math.abs(other.getValue() - count)).isLessThanOrEqualTo(1)));
    }

    @Test
    void aLaneHoldsWhatBefallsItsTarget() {
        assertThat(Plan.of(1, 3, 340).lanes()).extracting(Lane::worker).containsExactly(0, 1, 2, -1, -1);
        assertThat(Plan.of(1, 3, 340).lanes()).allSatisfy(lane ->
                assertThat(lane.faults()).allMatch(fault -> fault.kind().target == lane.target()
                        && fault.lasts() >= fault.kind().shortest && fault.lasts() <= fault.kind().longest));
    }

    @Test
    void seedZeroIsWhateverBefallsWorkersAndServersOneByOne() {
        assertThat(Plan.of(0, 3, 340).lanes()).isEmpty();
        assertThat(Plan.of(0, 3, 340).alone()).extracting(Fault::kind)
                .containsOnlyOnceElementsOf(Stream.of(Kind.values())
                        .filter(kind -> kind.target != Target.RECORDS && kind != Kind.WORKER_KILLED).toList())
                .contains(Kind.WORKER_KILLED, atIndex(0)).contains(Kind.WORKER_KILLED, atIndex(1));
    }
}
