package dev.darkroom.page;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Cancellation;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.digest.Sha256;
import dev.darkroom.worker.KafkaBinding;
import dev.darkroom.worker.image.PictureFormat;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.StoredObject;
import io.cloudevents.CloudEvent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;

/** Sends what the page's forms say, and waits until it is acknowledged. Thread-safe. */
final class Sender implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Producer<String, byte[]> producer;
    private final PageSettings settings;
    private final Optional<ImageStore> pictures;
    private final RequestReader reader = new RequestReader();
    private final Events events = new Events("/darkroom/page");

    /**
     * @param producer becomes this object's own
     * @param pictures the store, with the bucket of pictures; becomes this object's own
     */
    Sender(Producer<String, byte[]> producer, PageSettings settings, Optional<ImageStore> pictures) {
        this.producer = producer;
        this.settings = settings;
        this.pictures = pictures;
    }

    /**
     * Sends a request.
     *
     * @param json the request's own, as it would lie on the topic
     * @return its id and where it lies
     * @throws Refusal for what is no valid request, and when it cannot be sent
     */
    ObjectNode request(byte[] json, boolean express) {
        ReadResult result = reader.read(json);
        if (result instanceof ReadResult.Refused refused) {
            throw new Refusal(422, refused.field(), refused.message());
        }
        if (result instanceof ReadResult.Undecodable undecodable) {
            throw new Refusal(400, "", undecodable.message());
        }
        var request = ((ReadResult.Understood) result).request();
        return send(express ? settings.topics().express() : settings.topics().requests(), request.requestId(),
                events.of(request, Instant.now()));
    }

    /**
     * Cancels a request.
     *
     * @param json with its {@code requestId}
     * @throws Refusal for what no request id can be, and when it cannot be sent
     */
    ObjectNode cancellation(byte[] json) {
        try {
            JsonNode id = JSON.readTree(json).path("requestId");
            var cancellation = new Cancellation(id.asText());
            return send(settings.topics().cancellations(), cancellation.requestId(), events.of(cancellation, Instant.now()));
        } catch (JsonProcessingException e) {
            throw new Refusal(400, "", "This is no JSON.");
        } catch (IllegalArgumentException e) {
            throw new Refusal(422, "requestId", e.getMessage() + ".");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Keeps a picture that requests may start from.
     *
     * @return its {@code bucket}, {@code key} and {@code sha256}
     * @throws Refusal where the workers take none, and for what is not a PNG, JPEG or WebP file
     */
    ObjectNode picture(byte[] file) {
        ImageStore store = pictures.orElseThrow(() -> new Refusal(409, "image",
                "The workers take no pictures here: DARKROOM_INPUTS_BUCKETS names no bucket."));
        String digest = Sha256.hex(file);
        String type = PictureFormat.of(file).map(PictureFormat::mediaType).orElseThrow(() -> new Refusal(415, "image",
                "A picture is a PNG, JPEG or WebP file, and this is none."));
        StoredObject stored = store.putIfAbsent("pictures/" + digest, file, type, Map.of());
        return JsonNodeFactory.instance.objectNode().put("bucket", stored.bucket()).put("key", stored.key())
                .put("sha256", digest);
    }

    private ObjectNode send(String topic, String id, CloudEvent event) {
        try {
            RecordMetadata sent = producer.send(KafkaBinding.toRecord(topic, id, event)).get();
            return JsonNodeFactory.instance.objectNode().put("requestId", id)
                    .put("place", new RecordPlace(sent.topic(), sent.partition(), sent.offset()).toString());
        } catch (ExecutionException | KafkaException e) {
            Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
            throw new Refusal(503, "", "Kafka at %s did not take it: %s".formatted(settings.bootstrapServers(),
                    cause.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Refusal(503, "", "The page is ending.");
        }
    }

    @Override
    public void close() {
        producer.close(Duration.ofSeconds(1));
        pictures.ifPresent(ImageStore::close);
    }
}
