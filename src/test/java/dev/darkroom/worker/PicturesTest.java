package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.digest.Sha256;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
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
import java.util.List;
import java.util.Map;
import java.util.UUID;
import javax.imageio.ImageIO;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Requests that start from pictures, against a real broker, a real store and the real pipeline. */
@QuarkusTest
@WithTestResource(value = WorkerResource.class, initArgs = {
    @ResourceArg(name = "darkroom.bundle", value = "src/test/resources/golden/pictures/bundle"),
    @ResourceArg(name = "darkroom.inputs.buckets", value = "photos,nowhere"),
    @ResourceArg(name = "darkroom.inputs.max-bytes", value = "20000"),
    @ResourceArg(name = "darkroom.inputs.max-pixels", value = "10000"),
    // For KeepingTest, which has the same application
    @ResourceArg(name = "darkroom.store.prefix", value = "team-a/darkroom"),
    @ResourceArg(name = "darkroom.store.retention", value = "2d")
})
@Timeout(180)
class PicturesTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path PICTURES = Path.of("src/test/resources/golden/pictures");

    Topics topics;
    StoreGate gate;
    Stack stack;

    @Inject
    Claims claims;

    private MinioImageStore photos;

    @BeforeEach
    void openTheBucket() {
        photos = store("photos");
        photos.open();
    }

    @AfterEach
    void close() {
        gate.open();
        photos.close();
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

    private void assertGolden(JsonNode completed, JsonNode golden) throws IOException {
        assertThat(completed.has("images")).as("%s", completed).isTrue();
        byte[] file = store("darkroom").get(completed.at("/images/0/key").asText()).orElseThrow();
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
        topics.send("{\"requestId\": \"%s\", \"prompt\": \"a red circle\", %s}".formatted(id, more));
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
