package dev.darkroom.page;

import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Where a record lies. */
record RecordPlace(String topic, int partition, long offset) {

    static RecordPlace of(ConsumerRecord<?, ?> record) {
        return new RecordPlace(record.topic(), record.partition(), record.offset());
    }

    /** Whether it lies in the same partition before another. */
    boolean isBefore(RecordPlace other) {
        return topic.equals(other.topic) && partition == other.partition && offset < other.offset;
    }

    /** As {@code darkroom.requests-1@42}. */
    @Override
    public String toString() {
        return topic + "-" + partition + "@" + offset;
    }
}
