package dev.darkroom.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import dev.darkroom.contract.HostileRecords.Fate;
import dev.darkroom.contract.HostileRecords.Hostile;
import dev.darkroom.contract.ReadResult.Refused;
import dev.darkroom.contract.ReadResult.Undecodable;
import dev.darkroom.contract.ReadResult.Understood;
import dev.darkroom.worker.KafkaBinding;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;

/** Whatever comes in, the reader answers, at once and rightly. */
class HostileRecordsTest {

    private static final List<Hostile> RECORDS = HostileRecords.stream().toList();

    private final RequestReader reader = new RequestReader();

    @Test
    void everyHostileRecordMeetsItsFate() {
        SoftAssertions.assertSoftly(softly -> {
            for (Hostile hostile : RECORDS) {
                ReadResult result = read(hostile);
                softly.assertThat(fate(result)).as(hostile + " -> " + result).isEqualTo(hostile.fate());
                if (result instanceof Refused refused) {
                    softly.assertThat(refused.requestId()).isEqualTo(hostile.requestId());
                }
            }
        });
    }

    @Test
    void noHostileRecordIsAMysteryToTheReader() {
        assertThat(RECORDS.stream().map(this::read).map(ReadResult::toString))
                .noneMatch(result -> result.contains("the record cannot be read"));
    }

    @Test
    void allOfThemTakeLessThanASecondOfProcessorTime() {
        // The thread's own time, which does not count what else the machine does
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        RECORDS.forEach(this::read);
        long start = threads.getCurrentThreadCpuTime();
        RECORDS.forEach(this::read);
        assertThat(Duration.ofNanos(threads.getCurrentThreadCpuTime() - start)).isLessThan(Duration.ofSeconds(1));
    }

    @Test
    void theFailedEventOfEachKeepsItsSchema() throws IOException {
        JsonSchema schema = new Schemas().of(EventType.FAILED);
        Events events = new Events("/darkroom");
        for (Hostile hostile : RECORDS) {
            if (read(hostile) instanceof Refused refused) {
                byte[] data = events.of(refused.outcome(), Instant.EPOCH).getData().toBytes();
                assertThat(schema.validate(new ObjectMapper().readTree(data))).as(hostile.toString()).isEmpty();
                assertThat(data.length).as(hostile.toString()).isLessThan(4_096);
            }
        }
    }

    @Test
    void messagesFitIntoALineOfALog() {
        for (Hostile hostile : RECORDS) {
            String message = switch (fate(read(hostile))) {
                case INVALID -> ((Refused) read(hostile)).message();
                case DEAD_LETTER -> ((Undecodable) read(hostile)).message();
                case UNSUPPORTED -> "";
            };
            assertThat(message).as(hostile.toString()).doesNotContainPattern(
                    "java\\.|fasterxml|networknt|io\\.cloudevents|dev\\.darkroom\\.(contract|worker)|Exception|Node|ALLOW_");
            assertThat(message.length()).as(hostile + ": " + message).isLessThan(2_000);
            assertThat(message.codePoints()).as(hostile + ": " + message).noneMatch(Character::isISOControl)
                    .noneMatch(character -> Character.getType(character) == Character.SURROGATE);
        }
    }

    @Test
    void thereAreAtLeastFiveHundredAndTheirRequestIdsAreUnique() {
        assertThat(RECORDS).hasSizeGreaterThanOrEqualTo(500);
        assertThat(RECORDS).map(Hostile::requestId).filteredOn(Objects::nonNull).doesNotHaveDuplicates();
        assertThat(RECORDS).allSatisfy(hostile ->
                assertThat(hostile.requestId() == null).isEqualTo(hostile.fate() == Fate.DEAD_LETTER));
    }

    private ReadResult read(Hostile hostile) {
        return KafkaBinding.read(reader, new RecordHeaders(hostile.headers()), hostile.value());
    }

    private static Fate fate(ReadResult result) {
        if (result instanceof Undecodable) {
            return Fate.DEAD_LETTER;
        }
        if (result instanceof Refused) {
            return Fate.INVALID;
        }
        if (result instanceof Understood) {
            return Fate.UNSUPPORTED;
        }
        return fail("unknown " + result);
    }
}
