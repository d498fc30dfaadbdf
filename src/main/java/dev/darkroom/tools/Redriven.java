package dev.darkroom.tools;

import java.util.BitSet;
import java.util.StringJoiner;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;

/**
 * Which letters of a partition were sent again. A filter takes some and leaves others before them, so that one offset does
 * not say it: the committed offset is that of the first letter that was left, and what was sent beyond it is listed in the
 * commit's metadata, as distances from it ({@code 2-5,9}).
 */
final class Redriven {

    /** What brokers take as metadata, unless told otherwise ({@code offset.metadata.max.bytes}). */
    private static final int LONGEST_METADATA = 4096;

    private final long first;
    private final BitSet sent = new BitSet();

    /**
     * @param committed null if nothing was committed
     * @param beginning the first offset that the partition still has
     */
    Redriven(OffsetAndMetadata committed, long beginning) {
        first = committed == null ? beginning : Math.max(beginning, committed.offset());
        if (committed != null) {
            for (String range : committed.metadata().isEmpty() ? new String[0] : committed.metadata().split(",")) {
                String[] ends = range.split("-", 2);
                long from = committed.offset() + Long.parseLong(ends[0]);
                long to = committed.offset() + Long.parseLong(ends[ends.length - 1]);
                if (to >= first) {
                    sent.set(index(Math.max(from, first)), index(to) + 1);
                }
            }
        }
    }

    private int index(long offset) {
        return Math.toIntExact(offset - first);
    }

    /** The offset before which all is sent, or gone. */
    long position() {
        return first + sent.nextClearBit(0);
    }

    boolean contains(long offset) {
        return offset < first || sent.get(index(offset));
    }

    /** Adds what lies from one offset up to another, the latter not among it. */
    void add(long from, long to) {
        if (to > first) {
            sent.set(index(Math.max(from, first)), index(to));
        }
    }

    /**
     * What is to be committed. Where the list is too long its end is left out, and those letters are taken for unsent: a
     * request that comes twice is answered once more, and a letter that is lost is lost.
     */
    OffsetAndMetadata commit() {
        int position = sent.nextClearBit(0);
        StringJoiner ranges = new StringJoiner(",");
        for (int from = sent.nextSetBit(position); from >= 0;) {
            int to = sent.nextClearBit(from) - 1;
            String range = (from - position) + (to == from ? "" : "-" + (to - position));
            if (ranges.length() + 1 + range.length() > LONGEST_METADATA) {
                break;
            }
            ranges.add(range);
            from = sent.nextSetBit(to + 1);
        }
        return new OffsetAndMetadata(first + position, ranges.toString());
    }
}
