package dev.darkroom.event;

import org.apache.kafka.common.header.Headers;

/**
 * Reads requests from Kafka records. Takes binary-mode and structured-mode CloudEvents, and plain JSON without any
 * {@code ce_} header, as {@code kafka-console-producer} sends it. Thread-safe.
 */
public final class RequestReader {

    /** Longest value that is looked at, in bytes. */
    public static final int MAX_BYTES = 64 * 1024;

    /**
     * Reads one record. Never throws, whatever the record holds, and takes time in proportion to its size, at most
     * {@value #MAX_BYTES} bytes.
     *
     * @param value the record's value; null for a tombstone
     * @param headers the record's headers
     */
    public ReadResult read(byte[] value, Headers headers) {
        throw new UnsupportedOperationException("to come");
    }
}
