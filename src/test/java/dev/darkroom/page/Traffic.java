package dev.darkroom.page;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.Progress;
import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.KafkaBinding;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.imageio.ImageIO;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What clients and workers write to broker and store, by the same code, on topics of its own; no model draws the images. */
final class Traffic implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int SIDE = 96;

    private final String name;
    private final Stack stack;
    private final Events events = new Events("/darkroom/gpu-0");
    private final KafkaProducer<String, byte[]> producer;
    private final MinioImageStore store;
    private final ObjectNode example;
    private final Map<Integer, ObjectNode> stored = new HashMap<>();

    /** @param name of the group, and what the names of all topics begin with */
    Traffic(Stack stack, String name) throws Exception {
        this.stack = stack;
        this.name = name;
        // To a partition that is a moment old an idempotent producer may be out of sequence for good (Kafka 4.1.1)
        producer = new KafkaProducer<>(Map.of("bootstrap.servers", stack.bootstrapServers(), "linger.ms", 5,
                "enable.idempotence", false, "max.in.flight.requests.per.connection", 1),
                new StringSerializer(), new ByteArraySerializer());
        store = new MinioImageStore(new StoreSettings(stack.storeEndpoint(), "us-east-1", "darkroom", stack.accessKey(),
                stack.secretKey(), true, true, Duration.ofSeconds(5), Duration.ofSeconds(30)));
        store.open();
        example = (ObjectNode) JSON.readTree(Files.readString(Path.of("schemas/examples/valid/completed-gpu.json")));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", stack.bootstrapServers()))) {
            admin.createTopics(settings().values().stream().filter(topic -> topic.startsWith(name + "."))
                    .map(topic -> new NewTopic(topic, topic.equals(topic("requests")) ? 2 : 1, (short) 1)).toList()).all().get();
        }
    }

    /** What the page must know to find it. */
    Map<String, String> settings() {
        return Map.of(
                "darkroom.topics.requests", topic("requests"),
                "darkroom.topics.express", topic("express"),
                "darkroom.topics.completions", topic("completions"),
                "darkroom.topics.progress", topic("progress"),
                "darkroom.topics.dead-letters", topic("dlq"),
                "darkroom.topics.cancellations", topic("cancellations"),
                "darkroom.store.endpoint", stack.storeEndpoint().toString(),
                "darkroom.store.access-key", stack.accessKey(),
                "darkroom.store.secret-key", stack.secretKey(),
                "darkroom.inputs.buckets", "darkroom");
    }

    String topic(String last) {
        return name + "." + last;
    }

    /** Plain JSON, as anybody may send it. */
    void requested(String topic, int partition, String id, String prompt) {
        send(new ProducerRecord<>(topic(topic), partition, id, JSON.createObjectNode().put("requestId", id)
                .put("prompt", prompt).put("profile", "fast").toString().getBytes(StandardCharsets.UTF_8)));
    }

    void progressed(String id, int step, int total) {
        send(KafkaBinding.toRecord(topic("progress"), id, events.of(Progress.denoising(id, step, total), Instant.now())));
    }

    /** @param shade tells the images apart, 0 to 359 */
    void completed(String id, String prompt, int shade) {
        ObjectNode completed = example.deepCopy().put("requestId", id);
        ((ObjectNode) completed.path("parameters")).put("prompt", prompt);
        completed.putArray("images").add(stored.computeIfAbsent(shade, this::store));
        send(KafkaBinding.toRecord(topic("completions"), id, event(id, completed)));
    }

    /** The same, with an image that is said to lie somewhere else. */
    void completedElsewhere(String id, String bucket) {
        ObjectNode completed = example.deepCopy().put("requestId", id);
        ((ObjectNode) completed.path("images").get(0)).put("bucket", bucket);
        send(KafkaBinding.toRecord(topic("completions"), id, event(id, completed)));
    }

    private static CloudEvent event(String id, ObjectNode completed) {
        return CloudEventBuilder.v1().withId(id + ".completed").withSource(URI.create("/darkroom/gpu-0"))
                .withType("dev.darkroom.image.completed.v1").withSubject(id).withTime(Instant.now().atOffset(ZoneOffset.UTC))
                .withData("application/json", completed.toString().getBytes(StandardCharsets.UTF_8)).build();
    }

    private ObjectNode store(int shade) {
        byte[] file = png(shade);
        String key = "images/%s-%d.png".formatted(name, shade);
        store.putIfAbsent(key, file, "image/png", Map.of());
        return JSON.createObjectNode().put("bucket", "darkroom").put("key", key).put("uri", "s3://darkroom/" + key)
                .put("etag", "0").put("sha256", Sha256.hex(file)).put("bytes", file.length).put("width", SIDE).put("height", SIDE)
                .put("seed", shade);
    }

    private static byte[] png(int shade) {
        var image = new BufferedImage(SIDE, SIDE, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.getHSBColor(shade / 360f, 0.6f, 0.8f));
        graphics.fillRect(0, 0, SIDE, SIDE);
        graphics.setColor(Color.getHSBColor(shade / 360f, 0.3f, 1));
        graphics.fillOval(SIDE / 4, SIDE / 4, SIDE / 2, SIDE / 2);
        graphics.dispose();
        try (var out = new ByteArrayOutputStream()) {
            ImageIO.write(image, "png", out);
            return out.toByteArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void failed(String id, FailureReason reason, String field, String message) {
        send(KafkaBinding.toRecord(topic("completions"), id,
                events.of(new Failed(id, reason, Optional.of(field), message, Map.of()), Instant.now())));
    }

    /** @param offset of the record in the first partition of the topic of requests */
    void deadLetter(String key, String reason, long offset) {
        var letter = new ProducerRecord<>(topic("dlq"), key, "{".getBytes(StandardCharsets.UTF_8));
        Map.of("reason", reason, "topic", topic("requests"), "partition", "0", "offset", Long.toString(offset)).forEach(
                (header, value) -> letter.headers().add("dead-letter-" + header, value.getBytes(StandardCharsets.UTF_8)));
        send(letter);
    }

    /** Commits as the workers' group does. */
    void committed(String topic, int partition, long next) {
        try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", stack.bootstrapServers(), "group.id", name),
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.commitSync(Map.of(new TopicPartition(topic(topic), partition), new OffsetAndMetadata(next)));
        }
    }

    /** The first record of a topic with this key, as soon as it is there. */
    ConsumerRecord<byte[], byte[]> record(String topic, String key) {
        try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", stack.bootstrapServers()),
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic(topic)).stream()
                    .map(info -> new TopicPartition(info.topic(), info.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            for (int polls = 0; polls < 100; polls++) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    if (key.equals(new String(record.key(), StandardCharsets.UTF_8))) {
                        return record;
                    }
                }
            }
            throw new AssertionError("there is no record " + key + " on " + topic);
        }
    }

    byte[] object(String key) {
        return store.get(key).orElseThrow();
    }

    private void send(ProducerRecord<String, byte[]> record) {
        producer.send(record);
    }

    /** Waits until all is acknowledged. */
    void flush() {
        producer.flush();
    }

    @Override
    public void close() {
        producer.close(Duration.ofSeconds(1));
        store.close();
    }
}
