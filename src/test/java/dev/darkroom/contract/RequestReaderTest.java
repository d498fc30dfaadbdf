package dev.darkroom.contract;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.contract.ReadResult.Refused;
import dev.darkroom.contract.ReadResult.Undecodable;
import dev.darkroom.contract.ReadResult.Understood;
import io.cloudevents.CloudEvent;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the reader makes of requests that mean well; those that do not are in {@link HostileRecordsTest}. */
class RequestReaderTest {

    private static final GenerationRequest SMALLEST = new GenerationRequest("order-4711", "a red apple", "", "plain",
            "final", Overrides.NONE, OptionalLong.empty(), 1, ImageFormat.PNG, Optional.empty(), Map.of());
    private static final GenerationRequest EVERYTHING = new GenerationRequest("order-4712", "a red apple 🍎\n", "text",
            "weighted", "baseline", new Overrides(OptionalInt.of(512), OptionalInt.of(768), OptionalInt.of(25),
                    Optional.of("dpmpp-2m"), OptionalDouble.of(6.5), OptionalDouble.of(0.5), Optional.of("full"),
                    List.of(new Adapter("ink", 1), new Adapter("watercolor", -0.8))),
            OptionalLong.of(Long.MIN_VALUE), 4, ImageFormat.WEBP, Optional.of(Instant.parse("2026-01-31T11:00:00.25Z")),
            Map.of("product", "sku-123"));

    private final RequestReader reader = new RequestReader();

    @Test
    void plainJsonIsUnderstood() {
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"a red apple\"}")).isEqualTo(new Understood(SMALLEST));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\\t\\n", "\\u00a0", "\\u2003\\u3000", "\\ufeff", "\\u2028"})
    void aPromptOfWhiteSpaceIsNoneWhateverCountsAsIt(String prompt) {
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"%s\"}".formatted(prompt)))
                .isInstanceOfSatisfying(Refused.class, refused -> assertThat(refused.field()).isEqualTo("prompt"));
    }

    @Test
    void everyFieldIsUnderstood() {
        assertThat(read("""
                {"requestId": "order-4712", "prompt": "a red apple 🍎\\n", "negativePrompt": "text",
                 "promptSyntax": "weighted",
                 "profile": "baseline", "width": 512, "height": 768, "steps": 25, "scheduler": "dpmpp-2m",
                 "guidance": {"scale": 6.5, "cutoff": 0.5}, "decoder": "full",
                 "adapters": [{"name": "watercolor", "scale": -0.8}, {"name": "ink"}], "seed": -9223372036854775808, "count": 4,
                 "output": {"format": "webp"}, "deadline": "2026-01-31T12:00:00.250+01:00",
                 "metadata": {"product": "sku-123"}}""")).isEqualTo(new Understood(EVERYTHING));
    }

    @Test
    void aLinkIsUnderstoodInHoursAndDays() {
        assertThat(read(withLink("168h"))).isEqualTo(read(withLink("7d")))
                .isEqualTo(new Understood(SMALLEST.linked(new LinkValidity(168))));
        assertThat(read(withLink("1h"))).isEqualTo(new Understood(SMALLEST.linked(new LinkValidity(1))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0h", "169h", "8d", "0d", "01h", "90m", "1 h", "1H", "P1D", "1000h", "7d\\n"})
    void aLinkOfAnyOtherTimeIsRefused(String link) {
        assertThat(read(withLink(link))).isInstanceOfSatisfying(Refused.class, refused -> {
            assertThat(refused.field()).isEqualTo("output.link");
            assertThat(refused.message()).startsWith("output.link must be a t");
        });
    }

    @Test
    void theSentenceSaysWhatALinkMayBe() {
        assertThat(read(withLink("8d"))).isInstanceOfSatisfying(Refused.class, refused -> assertThat(refused.message())
                .isEqualTo("output.link must be " + LinkValidity.ALLOWED + ", but is \"8d\"."));
    }

    private static String withLink(String link) {
        return "{\"requestId\": \"order-4711\", \"prompt\": \"a red apple\", \"output\": {\"link\": \"%s\"}}".formatted(link);
    }

    @Test
    void anAdapterThatIsNamedTwiceIsRefused() {
        assertThat(read("""
                {"requestId": "r", "prompt": "p", "adapters": [{"name": "ink"}, {"name": "a"}, {"name": "ink", "scale": 2}]}"""))
                .isEqualTo(new Refused("r", FailureReason.INVALID_REQUEST, "adapters.2.name",
                        "adapters.2.name must be another than those before it, but is \"ink\"."));
    }

    @Test
    void tooManyAdaptersAreToldInAListsTerms() {
        assertThat(read("""
                {"requestId": "r", "prompt": "p", "adapters": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]}"""))
                .isEqualTo(new Refused("r", FailureReason.INVALID_REQUEST, "adapters",
                        "adapters must be a list of at most 3, but is an array."));
    }

    @Test
    void aPictureIsTheSameByItsAddressAndByBucketAndKey() {
        String sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        String request = """
                {"requestId": "r", "prompt": "p", "image": {%s, "sha256": "%s"%s}}""";
        ReadResult byAddress = read(request.formatted("\"uri\": \"s3://photos/a b/ü%20.png\"", sha256, ""));

        assertThat(byAddress).isEqualTo(read(request.formatted(
                "\"bucket\": \"photos\", \"key\": \"a b/ü%20.png\"", sha256, ", \"strength\": 0.8, \"fit\": \"crop\"")));
        assertThat(((Understood) byAddress).request().image()).contains(
                new InputImage("photos", "a b/ü%20.png", sha256, 0.8, "crop"));
    }

    @Test
    void withAMaskAllOfAPictureIsGivenUpWhereItIsWhite() {
        String object = "{\"uri\": \"s3://photos/a.png\", \"sha256\": \"%s\"}".formatted("0".repeat(64));
        Understood understood = (Understood) read(
                "{\"requestId\": \"r\", \"prompt\": \"p\", \"image\": %s, \"mask\": %s}".formatted(object, object));

        assertThat(understood.request().image()).hasValueSatisfying(image -> assertThat(image.strength()).isEqualTo(1));
        assertThat(understood.request().mask()).contains(new ObjectReference("photos", "a.png", "0".repeat(64)));
    }

    @Test
    void aPictureThatIsNowhereIsRefusedInOneSentence() {
        String where = "image must be given either by uri, or by bucket and key.";
        String sha256 = "0".repeat(64);
        assertRefused("{\"sha256\": \"%s\"}".formatted(sha256), "image", where);
        assertRefused("{\"sha256\": \"%s\", \"bucket\": \"photos\"}".formatted(sha256), "image", where);
        assertRefused("{\"sha256\": \"%s\", \"uri\": \"s3://photos/a\", \"key\": \"a\"}".formatted(sha256), "image", where);
        assertRefused("{\"sha256\": \"%s\", \"uri\": \"http://example.com/a.png\"}".formatted(sha256), "image.uri",
                "image.uri must be an address s3://bucket/key in the object store, but is \"http://example.com/a.png\".");
        assertRefused("\"a.png\"", "image", "image must be an object, but is \"a.png\".");
        assertThat(read("{\"requestId\": \"r\", \"prompt\": \"p\", \"mask\": {\"uri\": \"s3://photos/a\", \"sha256\": \"%s\"}}"
                .formatted(sha256))).isEqualTo(new Refused("r", FailureReason.INVALID_REQUEST, "image",
                        "image is missing, which goes with mask."));
    }

    private void assertRefused(String image, String field, String sentence) {
        assertThat(read("{\"requestId\": \"r\", \"prompt\": \"p\", \"image\": %s}".formatted(image)))
                .isEqualTo(new Refused("r", FailureReason.INVALID_REQUEST, field, sentence));
    }

    @Test
    void aCloudEventIsUnderstood() {
        CloudEvent event = new Events("/shop").of(EVERYTHING, Instant.EPOCH);

        assertThat(reader.read(event.getData().toBytes(), () -> event)).isEqualTo(new Understood(EVERYTHING));
        assertThat(reader.readStructured(Events.toStructured(event))).isEqualTo(new Understood(EVERYTHING));
    }

    @ParameterizedTest
    @ValueSource(strings = {".", "..", "-", "_", "A.b_c-9", "0b9e7f0c-5a8e-4b6e-9c59-6d5c1a5a2f11"})
    void everyRequestIdOfTheAllowedCharactersIsUnderstood(String requestId) {
        assertThat(read("{\"requestId\": \"" + requestId + "\", \"prompt\": \"p\"}"))
                .isInstanceOfSatisfying(Understood.class,
                        understood -> assertThat(understood.request().requestId()).isEqualTo(requestId));
    }

    @Test
    void aRefusalSaysWhatWasWrongAndWhatIsAllowed() {
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"p\", \"steps\": 1000}")).isEqualTo(new Refused(
                "order-4711", FailureReason.INVALID_REQUEST, "steps",
                "steps must be a whole number from 1 to 150, but is 1000."));
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"p\", \"scheduler\": \"plms\"}")).isEqualTo(new Refused(
                "order-4711", FailureReason.INVALID_REQUEST, "scheduler",
                "scheduler must be one of euler-ancestral, dpmpp-2m, euler, ddim, lcm, but is \"plms\"."));
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"p\", \"guidance\": {\"cutof\": 1}}")).isEqualTo(
                new Refused("order-4711", FailureReason.INVALID_REQUEST, "guidance.cutof",
                        "guidance.cutof is not a known field; allowed in guidance: scale, cutoff."));
        assertThat(read("{\"requestId\": \"order-4711\"}")).isEqualTo(new Refused("order-4711",
                FailureReason.INVALID_REQUEST, "prompt", "prompt is missing; required: requestId, prompt."));
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"p\", \"deadline\": \"soon\"}")).isEqualTo(new Refused(
                "order-4711", FailureReason.INVALID_REQUEST, "deadline",
                "deadline must be an RFC 3339 date and time, such as 2026-01-31T12:00:00Z, but is \"soon\"."));
    }

    @Test
    void aRefusalTellsOfSeveralFields() {
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"\", \"steps\": 0, \"count\": 9}"))
                .isInstanceOfSatisfying(Refused.class, refused -> assertThat(refused.message())
                        .contains("prompt must be", "steps must be", "count must be").doesNotContain("more"));
        assertThat(read("{\"requestId\": \"order-4711\", \"prompt\": \"\", \"steps\": 0, \"count\": 9, \"width\": 1}"))
                .isInstanceOfSatisfying(Refused.class, refused -> assertThat(refused.message())
                        .endsWith("And there is more."));
    }

    @Test
    void aRefusalIsAnsweredByAFailedEvent() {
        Refused refused = (Refused) read("{\"requestId\": \"order-4711\", \"prompt\": \"p\", \"steps\": 1000}");

        assertThat(refused.outcome()).isEqualTo(new Failed("order-4711", FailureReason.INVALID_REQUEST,
                Optional.of("steps"), refused.message(), Map.of()));
    }

    @Test
    void whatCannotBeDecodedSaysWhereItBroke() {
        assertThat(read("{\"requestId\": \"order-4711\",\n \"prompt\": a red apple}"))
                .isInstanceOfSatisfying(Undecodable.class, undecodable -> assertThat(undecodable.message())
                        .startsWith("the value is not JSON: line 2, column 12: Unrecognized token 'a'"));
        assertThat(read("{\"prompt\": \"p\"}")).isEqualTo(new Undecodable(
                "requestId is missing; it must be 1 to 64 of letters, digits, '.', '_' and '-'"));
    }

    private ReadResult read(String value) {
        return reader.read(value.getBytes(UTF_8));
    }
}
