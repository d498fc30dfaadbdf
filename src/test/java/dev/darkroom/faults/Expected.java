package dev.darkroom.faults;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * What must become of a record. It travels in a header of the record, so that the topic alone says what was asked for.
 *
 * @param id the request's id; null if the record has none
 * @param picture what it asks for; -1 for nothing
 * @param ends the ways in which it may end: {@value #COMPLETED}, {@value #DEAD_LETTER}, or the reason of a failed event
 */
record Expected(String id, int picture, List<String> ends) {

    static final String COMPLETED = "completed";
    static final String DEAD_LETTER = "dead-letter";
    static final String HEADER = "faults-expected";

    private static final ObjectMapper JSON = new ObjectMapper();

    void writeTo(ProducerRecord<byte[], byte[]> record) {
        try {
            record.headers().add(HEADER, JSON.writeValueAsBytes(this));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    static Expected of(Message message) {
        try {
            return JSON.readValue(message.header(HEADER).getBytes(StandardCharsets.UTF_8), Expected.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
