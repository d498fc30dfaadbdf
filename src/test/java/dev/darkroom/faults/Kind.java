package dev.darkroom.faults;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Everything that is done, to whom, and for how long (milliseconds; the same number twice where it is over at once). */
enum Kind {
    WORKER_KILLED(Target.WORKER, 0, 0, "kill -9, started again at once"),
    WORKER_KILLED_AT_START(Target.WORKER, 500, 4_000, "kill -9, and again while it starts"),
    WORKER_KILLED_WHILE_LEAVING(Target.WORKER, 50, 1_000, "SIGTERM, and kill -9 before it has left"),
    WORKER_TERMINATED(Target.WORKER, 0, 0, "SIGTERM, started again at once"),
    WORKER_AWAY(Target.WORKER, 2_000, 8_000, "SIGTERM, and away for a while"),
    WORKER_PAUSED(Target.WORKER, 1_000, 5_000, "SIGSTOP, shorter than its session with Kafka"),
    WORKER_SUSPENDED(Target.WORKER, 10_000, 13_000, "SIGSTOP, until its session with Kafka is over"),
    STATE_UNWRITABLE(Target.WORKER, 1_000, 4_000, "its state cannot be written, then kill -9"),
    STATE_GARBLED(Target.WORKER, 0, 0, "its state is overwritten with noise, then kill -9"),
    CLOCK_AHEAD(Target.WORKER, 0, 0, "kill -9, started again with its clock up to 10 minutes ahead"),
    CLOCK_BEHIND(Target.WORKER, 0, 0, "kill -9, started again with its clock up to 10 minutes behind"),

    KAFKA_CUT(Target.WORKER, 0, 0, "every connection to the broker is reset"),
    KAFKA_FLAPPING(Target.WORKER, 2_000, 5_000, "connections to the broker are reset, three times a second"),
    KAFKA_REFUSED(Target.WORKER, 1_000, 10_000, "connections to the broker are refused"),
    KAFKA_STALLED(Target.WORKER, 1_000, 10_000, "what goes to and from the broker is held back"),
    KAFKA_SWALLOWED(Target.WORKER, 1_000, 10_000, "what goes to and from the broker is swallowed"),
    KAFKA_ANSWERS_LOST(Target.WORKER, 1_000, 5_000, "the broker does what it is asked, and its answers are lost"),
    KAFKA_ANSWERS_TORN(Target.WORKER, 1_000, 4_000, "the broker's answers are cut off in their middle"),
    KAFKA_SLOW(Target.WORKER, 2_000, 5_000, "the broker is far: 100 to 500 ms each way"),

    STORE_CUT(Target.WORKER, 0, 0, "every connection to the store is reset"),
    STORE_FLAPPING(Target.WORKER, 2_000, 5_000, "connections to the store are reset, three times a second"),
    STORE_REFUSED(Target.WORKER, 1_000, 10_000, "connections to the store are refused"),
    STORE_STALLED(Target.WORKER, 1_000, 10_000, "what goes to and from the store is held back"),
    STORE_SWALLOWED(Target.WORKER, 1_000, 6_000, "what goes to and from the store is swallowed"),
    STORE_ANSWERS_LOST(Target.WORKER, 1_000, 5_000, "the store does what it is asked, and its answers are lost"),
    STORE_ANSWERS_TORN(Target.WORKER, 1_000, 4_000, "the store's answers are cut off in their middle"),
    STORE_SLOW(Target.WORKER, 2_000, 5_000, "the store is far: 100 to 500 ms each way"),
    STORE_TRICKLES(Target.WORKER, 2_000, 4_000, "what goes to and from the store trickles"),
    STORE_500(Target.WORKER, 1_000, 5_000, "the store answers 500"),
    STORE_503(Target.WORKER, 1_000, 5_000, "the store answers 503"),
    STORE_429(Target.WORKER, 1_000, 5_000, "the store answers 429"),
    STORE_403(Target.WORKER, 1_000, 5_000, "the store answers 403"),

    BROKER_KILLED(Target.SERVERS, 1_000, 6_000, "the broker: kill -9, and away for a while"),
    BROKER_TERMINATED(Target.SERVERS, 1_000, 6_000, "the broker: SIGTERM, and away for a while"),
    BROKER_SUSPENDED(Target.SERVERS, 1_000, 9_000, "the broker: SIGSTOP"),
    STORE_KILLED(Target.SERVERS, 1_000, 6_000, "the store: kill -9, and away for a while"),
    STORE_TERMINATED(Target.SERVERS, 1_000, 6_000, "the store: SIGTERM, and away for a while"),
    STORE_SUSPENDED(Target.SERVERS, 1_000, 9_000, "the store: SIGSTOP"),
    BOTH_KILLED(Target.SERVERS, 1_000, 4_000, "broker and store at once: kill -9"),
    MEMBER_JOINS(Target.SERVERS, 2_000, 6_000, "a stranger joins the group, takes partitions, answers nothing, leaves"),

    COPIES(Target.RECORDS, 0, 0, "3 to 5 copies of a request at once, on as many partitions"),
    TWO_PAYLOADS(Target.RECORDS, 0, 0, "two requests with one id at once, on two partitions"),
    COMES_AGAIN(Target.RECORDS, 0, 0, "an earlier request again"),
    ID_REUSED(Target.RECORDS, 0, 0, "another request with the id of an earlier one"),
    BROKEN_JSON(Target.RECORDS, 0, 0, "a value that is not JSON"),
    NOT_UTF8(Target.RECORDS, 0, 0, "a value that is not UTF-8"),
    TOMBSTONE(Target.RECORDS, 0, 0, "no value"),
    VALUE_TOO_LARGE(Target.RECORDS, 0, 0, "a value of 900 kB"),
    HEADER_TOO_LARGE(Target.RECORDS, 0, 0, "no request, with a header larger than the worker's producer can send"),
    KEY_TOO_LARGE(Target.RECORDS, 0, 0, "no request, with a key larger than the worker's producer can send"),
    OUTCOME_TOO_LARGE(Target.RECORDS, 0, 0, "a request whose key is so large that its outcome cannot be sent"),
    NO_KEY(Target.RECORDS, 0, 0, "a request without a key"),
    INVALID(Target.RECORDS, 0, 0, "a request that breaks the schema"),
    UNSUPPORTED(Target.RECORDS, 0, 0, "a request that the model cannot honour"),
    DEADLINE_PASSED(Target.RECORDS, 0, 0, "a request whose deadline has passed"),
    DEADLINE_NEAR(Target.RECORDS, 0, 0, "copies of a request whose deadline passes about now"),
    EXPRESS(Target.RECORDS, 0, 0, "a request on the express lane"),
    EXPRESS_COPIES(Target.RECORDS, 0, 0, "copies of a request on both lanes at once"),
    EXPRESS_INVALID(Target.RECORDS, 0, 0, "a request that breaks the schema, on both lanes"),
    EXPRESS_BROKEN_JSON(Target.RECORDS, 0, 0, "a value on the express lane that is not JSON"),
    CANCELLED(Target.RECORDS, 0, 0, "a request, and within two seconds its cancellation"),
    CANCELLED_FIRST(Target.RECORDS, 0, 0, "a cancellation, and then its request"),
    CANCELLED_COPIES(Target.RECORDS, 0, 0, "copies of a request at once, on as many partitions, and its cancellation"),
    CANCELLED_LATE(Target.RECORDS, 0, 0, "the cancellation of an earlier request that is done, and that request again"),
    ABORTED(Target.RECORDS, 0, 0, "requests of a transaction that is given up"),
    COMMITTED(Target.RECORDS, 0, 0, "requests of a transaction"),
    WRONG_TIME(Target.RECORDS, 0, 0, "a request whose record's timestamp is of 1970 or 50 minutes ahead");

    /** What a fault is done to. Those of one target come one after the other, those of several at once. */
    enum Target {
        WORKER, SERVERS, RECORDS
    }

    final Target target;
    final int shortest;
    final int longest;
    final String what;

    Kind(Target target, int shortest, int longest, String what) {
        this.target = target;
        this.shortest = shortest;
        this.longest = longest;
        this.what = what;
    }

    String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static List<Kind> of(Target target) {
        return Arrays.stream(values()).filter(kind -> kind.target == target).toList();
    }
}
