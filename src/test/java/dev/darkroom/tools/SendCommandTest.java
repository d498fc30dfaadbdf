package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.contract.Cancellation;
import dev.darkroom.contract.CancellationReader;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.KafkaBinding;
import io.cloudevents.CloudEvent;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class SendCommandTest {

    private static Stack stack;

    @BeforeAll
    static void start() {
        stack = Stack.start();
    }

    @AfterAll
    static void stop() {
        stack.close();
    }

    @Test
    void linesBecomeCloudEventsOnTheirOwnKeys() {
        CommandLineRun run = send("linesTopic", """
                {"requestId":"r-1","prompt":"a red apple"}

                {"requestId":"r-2","prompt":"a blue mug","steps":5}
                """);

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("2 requests sent to linesTopic");
        assertThat(records("linesTopic", 2)).satisfiesExactlyInAnyOrder(
                record -> {
                    CloudEvent event = KafkaBinding.toEvent(record.headers(), record.value());
                    assertThat(record.key()).isEqualTo("r-1");
                    assertThat(event.getId()).isEqualTo("r-1.requested");
                    assertThat(event.getType()).isEqualTo("dev.darkroom.image.requested.v1");
                    assertThat(new String(event.getData().toBytes(), StandardCharsets.UTF_8)).contains("a red apple");
                },
                record -> {
                    assertThat(record.key()).isEqualTo("r-2");
                    assertThat(new String(record.value(), StandardCharsets.UTF_8)).contains("\"steps\":5");
                });
    }

    @Test
    void expressRequestsGoOnALaneOfTheirOwn() {
        CommandLineRun run = send("notThisTopic", "{\"requestId\":\"r-1\",\"prompt\":\"a red apple\"}", "--express",
                "--express-topic", "expressTopic");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("1 request sent to expressTopic");
        assertThat(records("expressTopic", 1)).extracting(ConsumerRecord::key).containsExactly("r-1");
    }

    @Test
    void linksAreAskedForInRequestsThatAskForNone() {
        CommandLineRun run = send("linkTopic", """
                {"requestId":"r-1","prompt":"a red apple"}
                {"requestId":"r-2","prompt":"a red apple","output":{"link":"2h"}}
                """, "--link", "7d");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(records("linkTopic", 2)).extracting(record -> new String(record.value(), StandardCharsets.UTF_8))
                .satisfiesExactlyInAnyOrder(first -> assertThat(first).contains("\"link\":\"168h\""),
                        second -> assertThat(second).contains("\"link\":\"2h\""));
    }

    @Test
    void oneBadLineHoldsBackAllAndIsNamed() {
        CommandLineRun run = send("badTopic", """
                {"requestId":"r-1","prompt":"a red apple"}
                {"requestId":"r-2","prompt":"a red apple","steps":900}
                nonsense
                """);

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("nothing was sent").contains("line 2: steps must be").contains("line 3: ");
        assertThat(records("badTopic", 0)).isEmpty();
    }

    @Test
    void uncheckedLinesGoAsTheyAre() {
        CommandLineRun run = send("rawTopic", "{\"requestId\":\"r-1\",\"steps\":900}\nnonsense\n", "--no-validate");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(records("rawTopic", 2))
                .extracting(record -> record.key() + " " + new String(record.value(), StandardCharsets.UTF_8))
                .containsExactlyInAnyOrder("r-1 {\"requestId\":\"r-1\",\"steps\":900}", "null nonsense");
    }

    @Test
    void waitingEndsWhenNoOutcomeComes() {
        CommandLineRun run = send("waitTopic", "{\"requestId\":\"r-1\",\"prompt\":\"a\"}", "--wait", "--timeout", "1");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("After 1 s there is no outcome for 1 of 1 requests, r-1 among them.");
    }

    @Test
    void cancellationsGoOutOnTheIdsOfTheirRequests() {
        CommandLineRun run = CommandLineRun.of("cancel", "--bootstrap-servers", stack.bootstrapServers(),
                "--topic", "cancelTopic", "r-1", "r-2");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("2 cancellations sent to cancelTopic");
        assertThat(records("cancelTopic", 2)).allSatisfy(record -> {
            CloudEvent event = KafkaBinding.toEvent(record.headers(), record.value());
            assertThat(event.getType()).isEqualTo("dev.darkroom.image.cancelled.v1");
            assertThat(event.getSubject()).isEqualTo(record.key());
            assertThat(KafkaBinding.read(new CancellationReader(), record.headers(), record.value()))
                    .isEqualTo(new CancellationReader.Understood(new Cancellation(record.key())));
        }).extracting(ConsumerRecord::key).containsExactlyInAnyOrder("r-1", "r-2");
    }

    @Test
    void waitingCountsALineThatBecomesADeadLetter() throws Exception {
        CompletableFuture<CommandLineRun> run = CompletableFuture.supplyAsync(() ->
                send("deadTopic", "nonsense\n", "--no-validate", "--wait", "--timeout", "60", "--dead-letters-topic", "deads"));
        ConsumerRecord<String, byte[]> sent = records("deadTopic", 1).get(0);
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", stack.bootstrapServers()),
                new ByteArraySerializer(), new ByteArraySerializer())) {
            var letter = new ProducerRecord<byte[], byte[]>("deads", sent.value());
            Map.of("reason", "the value is not JSON", "topic", sent.topic(), "partition", "" + sent.partition(),
                    "offset", "" + sent.offset()).forEach((name, value) ->
                    letter.headers().add("dead-letter-" + name, value.getBytes(StandardCharsets.UTF_8)));
            producer.send(letter).get();
        }

        assertThat(run.get().err()).contains("line 1 is a dead letter: the value is not JSON").contains("0 completed, 1 failed");
        assertThat(run.get().exitCode()).isEqualTo(1);
    }

    @Test
    void aBrokerThatIsNotThereIsNamed() {
        CommandLineRun run = CommandLineRun.withInput("{\"requestId\":\"r-1\",\"prompt\":\"a\"}",
                "send", "--bootstrap-servers", "localhost:1", "-");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("No Kafka broker answered at localhost:1");
    }

    private static CommandLineRun send(String topic, String lines, String... options) {
        List<String> arguments = new ArrayList<>(List.of(
                "send", "--bootstrap-servers", stack.bootstrapServers(), "--topic", topic));
        arguments.addAll(List.of(options));
        arguments.add("-");
        return CommandLineRun.withInput(lines, arguments.toArray(String[]::new));
    }

    /** All records of a topic, once there are as many as expected. */
    private static List<ConsumerRecord<String, byte[]>> records(String topic, int expected) {
        List<ConsumerRecord<String, byte[]>> records = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", stack.bootstrapServers(),
                "group.id", "reader-of-" + topic, "auto.offset.reset", "earliest"),
                new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            long deadline = System.nanoTime() + Duration.ofSeconds(expected == 0 ? 3 : 30).toNanos();
            while (System.nanoTime() < deadline && (expected == 0 || records.size() < expected)) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
        }
        return records;
    }
}
