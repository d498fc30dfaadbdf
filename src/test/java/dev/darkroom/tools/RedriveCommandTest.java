package dev.darkroom.tools;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.stack.Stack;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;

class RedriveCommandTest {

    private static Stack stack;
    private static KafkaProducer<byte[], byte[]> producer;

    private final String deads;
    private final String origin;

    RedriveCommandTest(TestInfo test) {
        deads = test.getTestMethod().orElseThrow().getName() + "-dlq";
        origin = test.getTestMethod().orElseThrow().getName();
    }

    @BeforeAll
    static void start() {
        stack = Stack.start();
        producer = new KafkaProducer<>(Map.of("bootstrap.servers", stack.bootstrapServers()), new ByteArraySerializer(),
                new ByteArraySerializer());
    }

    @AfterAll
    static void stop() {
        producer.close();
        stack.close();
    }

    @Test
    void aLetterGoesBackAsItWasAndOnce() throws Exception {
        letter("order-1", "{}", "the worker failed", Map.of("ce_id", "1", "traceparent", "00-1"));
        letter(null, "nonsense", "not JSON", Map.of());

        CommandLineRun run = redrive();

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("2 dead letters sent again from " + deads + " at " + stack.bootstrapServers());
        assertThat(run.outLines()).containsExactly(
                deads + "-0@0  from " + origin + "-3@42  key order-1  the worker failed",
                deads + "-0@1  from " + origin + "-3@42  key none  not JSON");
        List<ConsumerRecord<byte[], byte[]>> sent = sent();
        assertThat(sent).extracting(record -> text(record.key()) + " " + text(record.value()))
                .containsExactly("order-1 {}", "null nonsense");
        assertThat(sent.get(0).headers()).extracting(header -> header.key() + "=" + text(header.value()))
                .containsExactlyInAnyOrder("ce_id=1", "traceparent=00-1");
        assertThat(sent.get(1).headers()).isEmpty();

        assertThat(redrive().err()).contains("0 dead letters sent again");
        assertThat(sent()).hasSize(2);
    }

    @Test
    void aLookSendsNothing() throws Exception {
        letter("order-1", "{}", "the worker failed", Map.of());

        for (int i = 0; i < 2; i++) {
            CommandLineRun look = redrive("--list");
            assertThat(look.exitCode()).as(look.err()).isZero();
            assertThat(look.out()).contains("key order-1  the worker failed");
            assertThat(look.err()).contains("1 dead letter on " + deads);
        }
        assertThat(redrive().err()).contains("1 dead letter sent again");
        assertThat(sent()).hasSize(1);
        assertThat(redrive("--list").out()).isEmpty();
    }

    @Test
    void whatAFilterLeavesIsThereForTheNextTime() throws Exception {
        letter("a", "1", "the value is not JSON", Map.of());
        letter("b", "2", "The worker failed on this record", Map.of());
        letter("c", "3", "the value is not JSON", Map.of());
        letter("d", "4", "The worker failed on this record", Map.of());

        assertThat(redrive("--reason", "the WORKER failed").err()).contains("2 dead letters sent again");
        assertThat(redrive("--reason", "the WORKER failed").err()).contains("0 dead letters sent again");
        assertThat(redrive("--list").outLines()).hasSize(2).allSatisfy(line -> assertThat(line).contains("not JSON"));
        assertThat(redrive().err()).contains("2 dead letters sent again");
        assertThat(sent()).extracting(record -> text(record.value())).containsExactly("2", "4", "1", "3");

        assertThat(redrive("--all", "--reason", "JSON").err()).contains("2 dead letters sent again");
        assertThat(sent()).hasSize(6);
        letter("e", "5", "the value is not JSON", Map.of());
        assertThat(redrive("--list").outLines()).hasSize(1);
    }

    @Test
    void whatHasLostItsValueOrItsOriginIsNamedOnceAndNotSent() throws Exception {
        letter("a", null, "the value must have at most 65536 bytes",
                Map.of("dead-letter-without", "value, headers"));
        producer.send(new ProducerRecord<>(deads, "b".getBytes(UTF_8), "somebody else's".getBytes(UTF_8))).get();
        letter("c", "3", "the worker failed", Map.of());

        CommandLineRun run = redrive();
        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("1 dead letter sent again").contains(", 2 that cannot be sent");
        assertThat(run.out()).contains("(cannot be sent: it has lost its value, headers)")
                .contains("(cannot be sent: it does not say from which topic it came)");
        assertThat(sent()).extracting(record -> text(record.value())).containsExactly("3");

        CommandLineRun again = redrive();
        assertThat(again.exitCode()).as(again.err()).isZero();
        assertThat(again.out()).isEmpty();
    }

    @Test
    void aProgramGetsJson() throws Exception {
        letter("key with \u001b[31m colour", "{}", "a \"reason\"\u001b[2J", Map.of());

        CommandLineRun run = redrive("--list", "--json");

        JsonNode line = new ObjectMapper().readTree(run.out());
        assertThat(line.get("letter").asText()).isEqualTo(deads + "-0@0");
        assertThat(line.get("from").asText()).isEqualTo(origin + "-3@42");
        assertThat(line.get("key").asText()).isEqualTo("key with \u001b[31m colour");
        assertThat(line.get("reason").asText()).startsWith("a \"reason\"");
        assertThat(line.get("time").asText()).endsWith("Z");
        assertThat(redrive("--list").out()).doesNotContain("\u001b");
    }

    @Test
    void aTopicABrokerOrAGroupThatWillNotDoIsNamed() throws Exception {
        assertThat(redrive().err()).contains("There is no topic " + deads);
        assertThat(CommandLineRun.of("redrive", "--bootstrap-servers", "nowhere").err())
                .contains("Kafka at nowhere cannot be used: Invalid url in bootstrap.servers: nowhere");

        letter("a", "1", "the worker failed", Map.of());
        try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", stack.bootstrapServers(), "group.id", "others"),
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.commitSync(Map.of(new TopicPartition(deads, 0),
                    new OffsetAndMetadata(0, "theirs")));
        }
        assertThat(redrive("--group", "others").err()).contains("The consumer group others is somebody else's");
    }

    private void letter(String key, String value, String reason, Map<String, String> headers) throws Exception {
        var letter = new ProducerRecord<>(deads, bytes(key), bytes(value));
        Map<String, String> all = new LinkedHashMap<>(headers);
        all.putAll(Map.of("dead-letter-reason", reason, "dead-letter-topic", origin, "dead-letter-partition", "3",
                "dead-letter-offset", "42"));
        all.forEach((name, content) -> letter.headers().add(name, bytes(content)));
        producer.send(letter).get();
    }

    private CommandLineRun redrive(String... options) {
        List<String> arguments = new ArrayList<>(List.of("redrive", "--bootstrap-servers", stack.bootstrapServers(),
                "--topic", deads));
        arguments.addAll(List.of(options));
        return CommandLineRun.of(arguments.toArray(String[]::new));
    }

    /** All that lies where the letters came from, in the order in which it was sent. */
    private List<ConsumerRecord<byte[], byte[]>> sent() {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", stack.bootstrapServers()),
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var partition = new TopicPartition(origin, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
        }
        return records;
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : new String(bytes, UTF_8);
    }
}
