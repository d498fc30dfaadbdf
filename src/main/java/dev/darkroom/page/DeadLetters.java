package dev.darkroom.page;

import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.darkroom.contract.Printable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/** The latest dead letters, {@value #LIMIT} at most. Thread-safe. */
final class DeadLetters {

    static final int LIMIT = 100;

    private static final int SHOWN = 500;

    private final Deque<Letter> latest = new ArrayDeque<>();

    private record Letter(RecordPlace place, String from, String key, String reason, long timestamp) {
    }

    synchronized void add(ConsumerRecord<byte[], byte[]> record) {
        latest.addFirst(new Letter(RecordPlace.of(record), from(record).map(RecordPlace::toString).orElse(""),
                record.key() == null ? "" : printable(record.key()), text(record, "dead-letter-reason").orElse(""),
                record.timestamp()));
        if (latest.size() > LIMIT) {
            latest.removeLast();
        }
    }

    /** Where the record of a dead letter lay; empty if it does not say. */
    static Optional<RecordPlace> from(ConsumerRecord<byte[], byte[]> record) {
        try {
            return text(record, "dead-letter-topic").flatMap(topic -> text(record, "dead-letter-partition").flatMap(partition ->
                    text(record, "dead-letter-offset").map(offset ->
                            new RecordPlace(topic, Integer.parseInt(partition), Long.parseLong(offset)))));
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    synchronized void tell(ArrayNode json) {
        latest.forEach(letter -> json.addObject().put("place", letter.place().toString()).put("from", letter.from())
                .put("key", letter.key()).put("reason", letter.reason()).put("time", letter.timestamp()));
    }

    /** Whoever may write to the topic may have written anything into it. */
    private static Optional<String> text(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null || header.value() == null ? Optional.empty() : Optional.of(printable(header.value()));
    }

    private static String printable(byte[] text) {
        return Printable.of(new String(text, StandardCharsets.UTF_8), SHOWN);
    }
}
