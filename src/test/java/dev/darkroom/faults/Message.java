package dev.darkroom.faults;

import dev.darkroom.digest.Sha256;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * What is kept of a record: all of it, but the digests alone of what is long.
 *
 * @param key null if it has none
 * @param value null if it has none
 * @param received milliseconds since 1970
 */
record Message(String topic, int partition, long offset, String key, Map<String, String> headers, String value, long received) {

    private static final int LONG = 20_000;

    static Message of(ConsumerRecord<byte[], byte[]> record) {
        Map<String, String> headers = new TreeMap<>();
        record.headers().forEach(header -> headers.put(header.key(), kept(header.value())));
        return new Message(record.topic(), record.partition(), record.offset(), kept(record.key()), headers,
                kept(record.value()),
                System.currentTimeMillis());
    }

    /** Bytes as text; the digest of many. */
    static String kept(byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        return bytes.length > LONG ? "sha256:" + Sha256.hex(bytes) : new String(bytes, StandardCharsets.UTF_8);
    }

    String header(String name) {
        return headers.get(name);
    }

    /** A record's place among all requests, as refusals have it in their ids. */
    static String place(String topic, String partition, String offset) {
        return (Cluster.EXPRESS.equals(topic) ? "express-" : "") + partition + "-" + offset;
    }

    String place() {
        return place(topic, String.valueOf(partition), String.valueOf(offset));
    }
}
