package dev.darkroom.worker.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.FaultInjection;
import dev.darkroom.worker.Records;
import dev.darkroom.worker.StoreGate;
import dev.darkroom.worker.Topics;
import dev.darkroom.worker.WorkerResource;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.generate.Backlog;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.StoreSettings;
import io.micrometer.core.instrument.MeterRegistry;
import io.minio.MinioClient;
import io.minio.RemoveObjectArgs;
import io.quarkus.test.common.ResourceArg;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import javax.imageio.ImageIO;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Requests that start from pictures, and images that the safety checker withholds, against a real broker, a real store and the
 * real pipeline: what the smallest bundle can do and {@code models/mini} cannot.
 */
@QuarkusTest
@WithTestResource(value = WorkerResource.class, initArgs = {
    @ResourceArg(name = "darkroom.bundle", value = "src/test/resources/golden/pictures/bundle"),
    @ResourceArg(name = "darkroom.inputs.buckets", value = "photos,nowhere"),
    @ResourceArg(name = "darkroom.inputs.max-bytes", value = "20000"),
    @ResourceArg(name = "darkroom.inputs.max-pixels", value = "10000"),
    @ResourceArg(name = "darkroom.safety.policy", value = "withhold")
})
@Timeout(180)
class PicturesTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path PICTURES = Path.of("src/test/resources/golden/pictures");
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final JsonNode SAFETY = Golden.json("safety/scores.json");
    /** What diffusers says of the images of the seeds from 0 on. */
    private static final List<JsonNode> SAID = StreamSupport.stream(SAFETY.get("drawn").spliterator(), false).toList();

    Topics topics;
    StoreGate gate;
    Stack stack;

    @Inject
    Claims claims;

    @Inject
    FaultInjection faults;

    @Inject
    Backlog backlog;

    @Inject
    MeterRegistry metrics;

    private MinioImageStore photos;
    private MinioImageStore images;

    @BeforeEach
    void openTheBuckets() {
        images = store("darkroom");
        photos = store("photos");
        photos.open();
    }

    @AfterEach
    void close() {
        gate.open();
        photos.close();
        images.close();
    }

    @Test
    void aPictureBecomesTheImageThatDiffusersMakesOfIt() throws IOException {
        JsonNode golden = golden("dpmpp-2m-20-0.6-tiny-0.png");
        String picture = put("picture-0.png");

        JsonNode completed = json(topics.outcome(send(golden, """
                "image": {"uri": "s3://photos/%s", "sha256": "%s", "strength": 0.6}
                """.formatted(picture, sha256(picture)))));

        assertGolden(completed, golden);
        assertThat(completed.at("/parameters/image")).isEqualTo(JSON.readTree("""
                {"bucket": "photos", "key": "%s", "sha256": "%s", "strength": 0.6, "fit": "crop"}
                """.formatted(picture, sha256(picture))));
        assertThat(completed.at("/parameters").has("mask")).isFalse();
        assertThat(completed.at("/parameters/steps").asInt()).isEqualTo(20);
        assertThat(completed.at("/timings/steps").asInt()).isEqualTo(12);
        assertThat(completed.at("/timings/sourceEncoding").asDouble()).isPositive();
        assertThat(completed.at("/provenance/digitalSourceType").asText()).endsWith("/compositeWithTrainedAlgorithmicMedia");
    }

    @Test
    void aMaskSaysWhatIsMadeAnew() throws IOException {
        JsonNode golden = golden("dpmpp-2m-20-0.6-mask-tiny-0.png");
        String picture = put("picture-0.png");
        String mask = put("mask-0.png");

        JsonNode completed = json(topics.outcome(send(golden, """
                "image": {"uri": "s3://photos/%s", "sha256": "%s", "strength": 0.6},
                "mask": {"bucket": "photos", "key": "%s", "sha256": "%s"}
                """.formatted(picture, sha256(picture), mask, sha256(mask)))));

        assertGolden(completed, golden);
        assertThat(completed.at("/parameters/mask/key").asText()).isEqualTo(mask);
    }

    @Test
    void requestsWithoutPicturesGoOnBesideThem() {
        String picture = put("picture-0.png");
        String with = request(image(picture, sha256(picture)));
        String without = request("\"steps\": 2");

        assertThat(json(topics.outcome(with)).at("/parameters/image/strength").asDouble()).isEqualTo(0.8);
        assertThat(json(topics.outcome(without)).at("/timings/sourceEncoding").isMissingNode()).isTrue();
    }

    @Test
    void aPictureOfTheWorkersOwnBucketIsTakenOnlyWhereThatIsNamed() {
        assertFailed(request("\"image\": {\"uri\": \"s3://darkroom/a.png\", \"sha256\": \"%s\"}".formatted("0".repeat(64))),
                "UNSUPPORTED_PARAMETERS", "image",
                "image is in the bucket darkroom; this worker takes pictures from photos, nowhere.");
    }

    @Test
    void whatCannotBeStartedFromIsSaidInASentence() throws IOException {
        String picture = put("picture-0.png");
        String missing = UUID.randomUUID() + ".png";
        assertFailed(request(image(missing, "0".repeat(64))), "INVALID_INPUT", "image",
                "image is not there: the bucket photos has no such key.");
        assertFailed(request(image(picture, "0".repeat(64))), "INVALID_INPUT", "image.sha256",
                "image is not the one that the request means: its SHA-256 is " + sha256(picture) + ", and image.sha256 says "
                        + "0".repeat(64) + ".");
        String text = put("no picture".getBytes(StandardCharsets.UTF_8));
        assertFailed(request(image(text, sha256(text))), "INVALID_INPUT", "image",
                "image must be a PNG, JPEG or WebP file, and is none.");
        String large = put(new byte[20_001]);
        assertFailed(request(image(large, sha256(large))), "INVALID_INPUT", "image",
                "image may have at most 20000 bytes, and has more.");
        String wide = put(png(101, 100));
        assertFailed(request(image(wide, sha256(wide))), "INVALID_INPUT", "image",
                "image may have at most 10000 pixels, but has 101×100.");
        String mask = put(png(10, 10));
        assertFailed(request(image(picture, sha256(picture))
                + ", \"mask\": {\"uri\": \"s3://photos/%s\", \"sha256\": \"%s\"}".formatted(mask, sha256(mask))),
                "INVALID_INPUT", "mask", "mask must be as large as image, which has 64×64 pixels, but has 10×10.");
        assertFailed(request("\"image\": {\"uri\": \"s3://photos/%s\", \"sha256\": \"%s\", \"strength\": 0.02}".formatted(
                picture, sha256(picture))), "UNSUPPORTED_PARAMETERS", "image.strength",
                "image.strength is 0.02 and steps is 20, of which not one step would run; their product must be at least 1.");
    }

    /** Such as a bucket that the worker's credentials may not read. */
    @Test
    void aBucketThatTheStoreRefusesIsTheMatterOfItsRequestAlone() {
        String id = request("\"image\": {\"uri\": \"s3://nowhere/a.png\", \"sha256\": \"%s\"}".formatted("0".repeat(64)));

        JsonNode failed = json(topics.outcome(id));
        assertThat(failed.get("reason").asText()).isEqualTo("INVALID_INPUT");
        assertThat(failed.get("message").asText())
                .startsWith("image cannot be fetched from the object store: it answers HTTP 404 NoSuchBucket");
    }

    @Test
    void aRequestThatComesAgainHasItsOutcomeAndOneOfAnotherPictureIsAnother() {
        String first = put("picture-0.png");
        String other = put("picture-1.png");
        String id = request(image(first, sha256(first)));
        ConsumerRecord<byte[], byte[]> outcome = topics.outcome(id);

        send(id, image(first, sha256(first)));
        assertThat(topics.outcomes(id, 2).get(1).value()).isEqualTo(outcome.value());

        send(id, image(other, sha256(other)));
        assertThat(json(topics.outcomes(id, 3).get(2)).get("reason").asText()).isEqualTo("REQUEST_ID_REUSED");
    }

    @Test
    void whileTheStoreIsAwayAPictureIsWaitedFor() {
        String picture = put("picture-0.png");
        gate.shut();
        String id = request(image(picture, sha256(picture)));
        await().atMost(Duration.ofSeconds(30)).until(() -> claims.count() == 1);
        gate.open();

        assertThat(json(topics.outcome(id)).at("/images/0/width").asInt()).isEqualTo(64);
    }

    @Test
    void ofARequestsImagesTheFlaggedAloneAreWithheld() {
        int count = 3;
        int first = IntStream.range(0, SAID.size() - count)
                .filter(seed -> IntStream.range(seed, seed + count).allMatch(PicturesTest::clear))
                .filter(seed -> IntStream.range(seed, seed + count).mapToObj(PicturesTest::flagged).distinct().count() == 2)
                .findFirst().orElseThrow();
        double before = withheld();
        String request = drawing(first, count);
        topics.send(request);

        JsonNode completed = json(topics.outcome(id(request)));

        assertThat(completed.get("images")).isNotEmpty();
        assertThat(completed.get("images")).extracting(image -> image.get("seed").asInt()).containsExactlyElementsOf(
                IntStream.range(first, first + count).filter(seed -> !flagged(seed)).boxed().toList());
        assertThat(completed.get("images")).allSatisfy(image -> {
            assertThat(image.at("/safety/flagged").asBoolean()).isFalse();
            assertThat(image.get("key").asText()).endsWith("-" + (image.get("seed").asInt() - first) + ".png");
        });
        assertThat(completed.get("withheld")).extracting(image -> image.get("seed").asInt()).containsExactlyElementsOf(
                IntStream.range(first, first + count).filter(PicturesTest::flagged).boxed().toList());
        assertThat(completed.get("withheld")).allSatisfy(image -> {
            assertThat(image.at("/safety/flagged").asBoolean()).isTrue();
            assertThat(image.at("/safety/score").asDouble()).isPositive();
        });
        assertThat(completed.at("/parameters/count").asInt()).isEqualTo(count);
        assertThat(completed.at("/timings/safetyCheck").asDouble()).isPositive();
        for (int i = 0; i < count; i++) {
            assertThat(stored(request, i)).isEqualTo(!flagged(first + i));
        }
        assertThat(withheld()).isEqualTo(before + completed.get("withheld").size());
    }

    @Test
    void aRequestWhoseImagesAreAllFlaggedFailsAndItsNeighbourInTheBatchIsStored() {
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"%s\", \"steps\": 1}".formatted(
                UUID.randomUUID(), FaultInjection.SILENCE));
        await().atMost(SOON).until(() -> faults.attempts(FaultInjection.SILENCE) > 0);
        String flagged = drawing(seed(true), 1);
        String neighbour = drawing(seed(false), 1);
        topics.send(flagged);
        topics.send(neighbour);
        await().atMost(SOON).until(() -> backlog.waiting().size() == 2);
        faults.breakSilence();

        JsonNode failed = json(topics.outcome(id(flagged)));
        assertThat(failed.get("reason").asText()).isEqualTo("WITHHELD");
        assertThat(failed.get("message").asText())
                .isEqualTo("The safety checker flagged the image, and this worker stores no such image.");
        assertThat(failed.get("retryable").asBoolean()).isFalse();
        assertThat(failed.at("/withheld/0/seed").asInt()).isEqualTo(seed(true));
        assertThat(failed.at("/withheld/0/safety/score").asDouble()).isPositive();
        assertThat(failed.at("/metadata/who").asText()).isEqualTo("test");
        assertThat(stored(flagged, 0)).isFalse();
        JsonNode completed = json(topics.outcome(id(neighbour)));
        assertThat(completed.at("/timings/batchSize").asInt()).isEqualTo(2);
        assertThat(completed.at("/images/0/safety/flagged").asBoolean()).isFalse();
        assertThat(completed.has("withheld")).isFalse();
        assertThat(stored(neighbour, 0)).isTrue();
    }

    /** What an earlier worker left without an outcome, and may have stored without looking. */
    @Test
    void imagesThatNobodyLookedAtAreNotAdopted() throws Exception {
        String request = drawing(seed(false), 1);
        topics.send(request);
        JsonNode told = json(topics.outcome(id(request)));
        int batches = faults.batches().size();
        removeTheOutcome(request);

        topics.send(request);
        JsonNode again = json(topics.outcomes(id(request), 2).get(1));
        assertThat(again.get("images")).isEqualTo(told.get("images"));
        assertThat(faults.batches()).hasSize(batches);

        removeTheOutcome(request);
        String key = told.at("/images/0/key").asText();
        byte[] file = images.get(key).orElseThrow();
        Map<String, String> unlooked = new HashMap<>(images.find(key).orElseThrow().metadata());
        unlooked.remove("safety");
        unlooked.remove("sha256");
        remove(key);
        images.putIfAbsent(key, file, "image/png", unlooked);

        topics.send(request);
        assertThat(json(topics.outcomes(id(request), 3).get(2)).get("images")).isEqualTo(told.get("images"));
        assertThat(faults.batches()).hasSize(batches + 1);
    }

    private void assertGolden(JsonNode completed, JsonNode golden) throws IOException {
        assertThat(completed.has("images")).as("%s", completed).isTrue();
        byte[] file = images.get(completed.at("/images/0/key").asText()).orElseThrow();
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(file));
        byte[] rgb = new byte[3 * 64 * 64];
        int[] pixels = image.getRGB(0, 0, 64, 64, null, 0, 64);
        for (int i = 0; i < pixels.length; i++) {
            rgb[3 * i] = (byte) (pixels[i] >> 16);
            rgb[3 * i + 1] = (byte) (pixels[i] >> 8);
            rgb[3 * i + 2] = (byte) pixels[i];
        }
        assertThat(Golden.psnr(rgb, Golden.rgb("pictures/" + golden.get("file").asText()))).isGreaterThanOrEqualTo(50);
        assertThat(new String(file, StandardCharsets.ISO_8859_1)).contains("Denoising strength: 0.6");
    }

    private void assertFailed(String id, String reason, String field, String message) {
        JsonNode failed = json(topics.outcome(id));
        assertThat(List.of(failed.path("reason").asText(), failed.path("field").asText(), failed.path("message").asText(),
                failed.path("retryable").asText())).containsExactly(reason, field, message, "false");
    }

    private static JsonNode golden(String file) {
        return Golden.cases("pictures/images.json").filter(golden -> golden.get("file").asText().equals(file)).findFirst()
                .orElseThrow();
    }

    private static String image(String key, String sha256) {
        return "\"image\": {\"bucket\": \"photos\", \"key\": \"%s\", \"sha256\": \"%s\"}".formatted(key, sha256);
    }

    private String send(JsonNode golden, String pictures) {
        String id = "picture-" + UUID.randomUUID();
        topics.send("""
                {"requestId": "%s", "prompt": "%s", "negativePrompt": "%s", "seed": %s, "steps": %s, "scheduler": "%s",
                 "guidance": {"scale": %s, "cutoff": %s}, "decoder": "%s", %s}
                """.formatted(id, golden.get("prompt").asText(), golden.get("negativePrompt").asText(),
                golden.get("seed").asText(), golden.get("steps"), golden.get("scheduler").asText(), golden.get("scale"),
                golden.get("cutoff"), golden.get("decoder").asText(), pictures));
        return id;
    }

    private String request(String more) {
        String id = "picture-" + UUID.randomUUID();
        send(id, more);
        return id;
    }

    private void send(String id, String more) {
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a red circle\", \"seed\": 1, %s}".formatted(id, more));
    }

    private String put(String file) {
        try {
            return put(Files.readAllBytes(PICTURES.resolve(file)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String put(byte[] content) {
        String key = "a folder/" + UUID.randomUUID() + ".png";
        photos.putIfAbsent(key, content, "image/png", Map.of());
        return key;
    }

    private String sha256(String key) {
        return photos.get(key).map(Sha256::hex).orElseThrow();
    }

    private static byte[] png(int width, int height) throws IOException {
        var out = new ByteArrayOutputStream();
        ImageIO.write(new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB), "png", out);
        return out.toByteArray();
    }

    private static boolean flagged(int seed) {
        return SAID.get(seed).get("flagged").asBoolean();
    }

    /** Whether a level more or less makes no difference. */
    private static boolean clear(int seed) {
        return Math.abs(SAID.get(seed).get("score").asDouble()) > 0.002;
    }

    private static int seed(boolean flagged) {
        return IntStream.range(0, SAID.size()).filter(PicturesTest::clear).filter(seed -> flagged(seed) == flagged)
                .findFirst().orElseThrow();
    }

    private double withheld() {
        var counter = metrics.find("darkroom.images.flagged").tag("then", "withheld").counter();
        return counter == null ? 0 : counter.count();
    }

    private static String drawing(int seed, int count) {
        return """
                {"requestId": "safety-%s", "prompt": "%s", "seed": %d, "count": %d, "steps": %s, "scheduler": "%s",
                 "guidance": {"scale": %s, "cutoff": 1}, "decoder": "%s", "metadata": {"who": "test"}}
                """.formatted(UUID.randomUUID(), SAFETY.get("prompt").asText(), seed, count, SAFETY.get("steps"),
                SAFETY.get("scheduler").asText(), SAFETY.get("scale"), SAFETY.get("decoder").asText());
    }

    private static String id(String request) {
        return Records.read(request).requestId();
    }

    private boolean stored(String request, int index) {
        Job job = new Job(null, Records.read(request));
        return images.find(ObjectKeys.image(job.identity(), index, job.request().format())).isPresent();
    }

    private void removeTheOutcome(String request) throws Exception {
        remove(ObjectKeys.outcome(Records.read(request).identity()));
    }

    private void remove(String key) throws Exception {
        try (MinioClient client = MinioClient.builder().endpoint(stack.storeEndpoint().toString())
                .credentials(stack.accessKey(), stack.secretKey()).build()) {
            client.removeObject(RemoveObjectArgs.builder().bucket("darkroom").object(key).build());
        }
    }

    private MinioImageStore store(String bucket) {
        return new MinioImageStore(new StoreSettings(stack.storeEndpoint(), "us-east-1", bucket, stack.accessKey(),
                stack.secretKey(), true, true, Duration.ofSeconds(5), Duration.ofSeconds(30)));
    }

    private static JsonNode json(ConsumerRecord<byte[], byte[]> record) {
        try {
            return JSON.readTree(record.value());
        } catch (IOException e) {
            throw new IllegalStateException(Arrays.toString(record.value()), e);
        }
    }
}
