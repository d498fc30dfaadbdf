package dev.darkroom.tools;

import dev.darkroom.contract.Printable;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;

/**
 * A record of the dead-letter topic, as a worker put it there.
 *
 * @param record key, value and headers are those of the record that could not be answered, but for the headers
 *     {@code dead-letter-*}
 */
record DeadLetter(ConsumerRecord<byte[], byte[]> record) {

    private static final String HEADERS = "dead-letter-";

    /** Where the letter lies, as {@code darkroom.requests-dlq-0@17}. */
    String place() {
        return place(record.topic(), Integer.toString(record.partition()), Long.toString(record.offset()));
    }

    /** Where its record lay, in the same form; empty if the letter does not say. */
    Optional<String> from() {
        return header("topic").map(topic -> place(topic, header("partition").orElse("?"), header("offset").orElse("?")));
    }

    private static String place(String topic, String partition, String offset) {
        return topic + "-" + partition + "@" + offset;
    }

    /** Why it is a dead letter, in a sentence; empty if the letter does not say. */
    String reason() {
        return header("reason").orElse("");
    }

    /** Whether its reason contains a text, in capitals or not. */
    boolean isBecauseOf(String text) {
        return reason().toLowerCase(Locale.ROOT).contains(text.toLowerCase(Locale.ROOT));
    }

    Optional<String> key() {
        return Optional.ofNullable(record.key()).map(key -> new String(key, StandardCharsets.UTF_8));
    }

    /** Why it cannot be sent again, in a part of a sentence; empty if it can. */
    Optional<String> obstacle() {
        if (header("topic").isEmpty()) {
            return Optional.of("it does not say from which topic it came");
        }
        return header("without").map(parts -> "it has lost its " + parts);
    }

    /** The record as it was before, for the topic that it came from. */
    ProducerRecord<byte[], byte[]> original() {
        var original = new ProducerRecord<>(header("topic").orElseThrow(), record.key(), record.value());
        for (Header header : record.headers()) {
            if (!header.key().startsWith(HEADERS)) {
                original.headers().add(header);
            }
        }
        return original;
    }

    /** Whoever may write to the topic may have written anything into it. */
    private Optional<String> header(String name) {
        return Optional.ofNullable(record.headers().lastHeader(HEADERS + name)).map(Header::value)
                .map(value -> new String(value, StandardCharsets.UTF_8))
                .map(text -> Printable.of(text, text.length()));
    }
}
