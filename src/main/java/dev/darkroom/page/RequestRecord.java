package dev.darkroom.page;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Identity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/**
 * What can be shown of a record on a topic of requests. Whether it is a valid request is for the worker to say, so it is read
 * leniently: an id is all that it needs.
 *
 * @param lane {@code express} or {@code ordinary}
 * @param timestamp of the record, in milliseconds since 1970
 * @param json the request as it was sent; null where it is too long to be kept
 */
record RequestRecord(String id, RecordPlace place, String lane, long timestamp, String prompt, String profile, int count,
        byte[] json) {

    /** Longer than a request with the longest prompts that the schema allows. */
    static final int MAX_KEPT_BYTES = 32 * 1024;

    private static final ObjectMapper JSON = new ObjectMapper();

    /** Empty for what has no id that a request can have. */
    static Optional<RequestRecord> of(ConsumerRecord<byte[], byte[]> record, String lane) {
        if (record.value() == null) {
            return Optional.empty();
        }
        try {
            JsonNode value = JSON.readTree(record.value());
            boolean structured = contentType(record).startsWith("application/cloudevents+json");
            JsonNode request = structured ? value.path("data") : value;
            String id = request.path("requestId").asText();
            if (!Identity.REQUEST_ID.matcher(id).matches()) {
                return Optional.empty();
            }
            byte[] json = structured ? JSON.writeValueAsBytes(request) : record.value();
            return Optional.of(new RequestRecord(id, RecordPlace.of(record), lane, record.timestamp(),
                    request.path("prompt").asText(), request.path("profile").asText(), request.path("count").asInt(1),
                    json.length > MAX_KEPT_BYTES ? null : json));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static String contentType(ConsumerRecord<?, ?> record) {
        Header header = record.headers().lastHeader("content-type");
        return header == null || header.value() == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
    }
}
