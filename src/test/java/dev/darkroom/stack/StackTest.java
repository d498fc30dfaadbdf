package dev.darkroom.stack;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;

class StackTest {

    /** Starts what a machine offers, so this is also the test of the switch that looks. */
    @Test
    void aStackTakesRecordsAndObjects() throws Exception {
        try (Stack stack = Stack.start()) {
            try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", stack.bootstrapServers()),
                    new StringSerializer(), new StringSerializer())) {
                producer.send(new ProducerRecord<>("things", "key", "value")).get();
            }
            try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", stack.bootstrapServers(),
                    "group.id", "readers", "auto.offset.reset", "earliest"),
                    new StringDeserializer(), new StringDeserializer())) {
                consumer.subscribe(List.of("things"));
                assertThat(consumer.poll(Duration.ofSeconds(30)))
                        .singleElement().satisfies(record -> assertThat(record.value()).isEqualTo("value"));
            }
            try (var store = new MinioImageStore(new StoreSettings(stack.storeEndpoint(), "us-east-1", "things",
                    stack.accessKey(), stack.secretKey(), true, true, Duration.ofSeconds(5), Duration.ofSeconds(30)))) {
                store.open();
                store.putIfAbsent("a/b", new byte[] {1, 2, 3}, "application/octet-stream", Map.of());
                assertThat(store.get("a/b")).hasValueSatisfying(
                        content -> assertThat(content).containsExactly(1, 2, 3));
            }
        }
    }
}
