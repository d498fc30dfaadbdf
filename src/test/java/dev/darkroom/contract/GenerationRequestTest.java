package dev.darkroom.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.darkroom.contract.ReadResult.Understood;
import java.nio.charset.StandardCharsets;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Seeds and digests. The values are fixed: images and outcomes in users' stores depend on them. */
class GenerationRequestTest {

    private static final RequestReader READER = new RequestReader();

    private static final String PLAIN = """
            {"requestId": "order-4711", "prompt": "a red apple"}""";
    private static final String EVERYTHING = """
            {"requestId": "order-4711", "prompt": "a red apple 🍎", "negativePrompt": "text", "profile": "baseline",
             "width": 512, "height": 768, "steps": 25, "scheduler": "dpmpp-2m", "guidance": {"scale": 6, "cutoff": 0.5},
             "decoder": "full", "seed": -42, "count": 3, "output": {"format": "webp"},
             "deadline": "2026-01-31T12:00:00Z", "metadata": {"b": "2", "a": "1"}}""";

    @Test
    void withoutASeedTheSeedIsTheBeginningOfTheRequestIdsSha256() {
        // sha256("order-4711") = 173d0ddbff034193…
        assertThat(request(PLAIN).resolvedSeed()).isEqualTo(0x173d0ddbff034L);
    }

    @Test
    void aDerivedSeedIsExactAsADouble() {
        assertThat(IntStream.range(0, 1_000)
                .mapToLong(i -> request(PLAIN.replace("order-4711", "order-" + i)).seedOf(7)))
                .allMatch(seed -> seed >= 0 && seed < 1L << 53)
                .doesNotHaveDuplicates();
    }

    @Test
    void aSeedInTheRequestIsKeptAndTheImagesCountUpFromIt() {
        GenerationRequest request = request(EVERYTHING);

        assertThat(request.resolvedSeed()).isEqualTo(-42);
        assertThat(request.seedOf(0)).isEqualTo(-42);
        assertThat(request.seedOf(2)).isEqualTo(-40);
    }

    @Test
    void theDigestIsTheSha256OfTheCanonicalJson() {
        assertThat(RequestJson.canonical(request(PLAIN), request(PLAIN).resolvedSeed())).isEqualTo("""
                {"requestId":"order-4711","prompt":"a red apple","profile":"final","count":1,\
                "output":{"format":"png"},"seed":408815887446068}""");
        assertThat(request(PLAIN).digest())
                .isEqualTo("9b3cdd83dba90a1c6b9938d06a3c824285efab5f1f22df48e016fb0df8459cfe");
        assertThat(request(EVERYTHING).digest())
                .isEqualTo("8d9794b1242fe9bc6369a5628398377786d56d29382961afeb766dc0a1bb8e46");
    }

    @Test
    void aPictureCountsWithAllThatIsSaidOfIt() {
        String withPicture = PLAIN.replace("}", """
                , "image": {"uri": "s3://photos/rocket.jpg", "sha256": "%s"}}""".formatted("0".repeat(64)));

        assertThat(RequestJson.canonical(request(withPicture), 7)).isEqualTo("""
                {"requestId":"order-4711","prompt":"a red apple","profile":"final","image":{"bucket":"photos",\
                "key":"rocket.jpg","sha256":"%s","strength":0.8,"fit":"crop"},"count":1,\
                "output":{"format":"png"},"seed":7}""".formatted("0".repeat(64)));
        assertThat(Stream.of(withPicture, withPicture.replace("00", "01"), withPicture.replace("rocket", "racket"), PLAIN,
                withPicture.replace("\"sha256\"", "\"strength\": 0.5, \"sha256\"")))
                .extracting(json -> request(json).digest()).doesNotHaveDuplicates();
    }

    @Test
    void theSameRequestSpeltOtherwiseHasTheSameDigest() {
        assertThat(request("""
                {"output": {}, "negativePrompt": "", "metadata": {}, "count": 1, "profile": "final",
                 "prompt": "a red\\u0020apple", "requestId": "order-4711"}""").digest())
                .isEqualTo(request(PLAIN).digest());
        assertThat(request(EVERYTHING
                .replace("\"b\": \"2\", \"a\": \"1\"", "\"a\": \"1\", \"b\": \"2\"")
                .replace("\"scale\": 6", "\"scale\": 6.0")).digest())
                .isEqualTo(request(EVERYTHING).digest());
    }

    @Test
    void adaptersBelongToTheDigestInAnyOrderAndWithTheirScales() {
        String one = withAdapters("{\"name\": \"ink\"}, {\"name\": \"wash\", \"scale\": 0.5}");
        String same = withAdapters("{\"scale\": 0.50, \"name\": \"wash\"}, {\"name\": \"ink\", \"scale\": 1}");
        String other = withAdapters("{\"name\": \"ink\"}, {\"name\": \"wash\", \"scale\": 0.25}");

        assertThat(RequestJson.canonical(request(one), 1))
                .contains("\"adapters\":[{\"name\":\"ink\",\"scale\":1.0},{\"name\":\"wash\",\"scale\":0.5}]");
        assertThat(request(same).digest()).isEqualTo(request(one).digest());
        assertThat(request(other).digest()).isNotEqualTo(request(one).digest());
        assertThat(request(withAdapters("")).digest()).isEqualTo(request(PLAIN).digest());
    }

    private static String withAdapters(String adapters) {
        return PLAIN.replace("\"prompt\"", "\"adapters\": [" + adapters + "], \"prompt\"");
    }

    @Test
    void theSyntaxOfPromptsBelongsToTheDigestUnlessItIsPlain() {
        String weighted = PLAIN.replace("\"prompt\"", "\"promptSyntax\": \"weighted\", \"prompt\"");

        assertThat(request(weighted).digest()).isNotEqualTo(request(PLAIN).digest());
        assertThat(request(weighted.replace("weighted", "plain")).digest()).isEqualTo(request(PLAIN).digest());
    }

    /** An outcome without a link, or with one that ends too early, is no answer to who asks for another. */
    @Test
    void aLinkBelongsToTheDigestHoweverItIsSpelt() {
        String day = PLAIN.replace("\"prompt\"", "\"output\": {\"link\": \"1d\"}, \"prompt\"");

        assertThat(RequestJson.canonical(request(day), 7)).contains("\"output\":{\"format\":\"png\",\"link\":\"24h\"}");
        assertThat(request(day.replace("1d", "24h")).digest()).isEqualTo(request(day).digest());
        assertThat(Stream.of(PLAIN, day, day.replace("1d", "2d"))).extracting(json -> request(json).digest())
                .doesNotHaveDuplicates();
        assertThat(request(PLAIN).linked(LinkValidity.parse("1d"))).isEqualTo(request(day));
        assertThat(request(day).linked(LinkValidity.parse("2d"))).isEqualTo(request(day));
    }

    @Test
    void aLaterDeadlineDoesNotChangeTheDigest() {
        assertThat(request(EVERYTHING.replace("2026-01-31", "2026-02-01")).digest())
                .isEqualTo(request(EVERYTHING).digest());
    }

    @Test
    void whateverElseIsAskedForChangesTheDigest() {
        String[][] changes = {
            {"order-4711", "order-4712"}, {"apple", "pear"}, {"\"text\"", "\"texts\""}, {"baseline", "euler-30"},
            {"512", "520"}, {"768", "776"},
            {"\"steps\": 25", "\"steps\": 26"}, {"dpmpp-2m", "euler-ancestral"}, {"\"scale\": 6", "\"scale\": 7"},
            {"0.5", "0.25"}, {"\"full\"", "\"tiny\""}, {"-42", "42"}, {"\"count\": 3", "\"count\": 4"}, {"webp", "png"},
            {"\"b\": \"2\"", "\"b\": \"3\""}, {"\"width\": 512, ", ""}, {"\"seed\": -42, ", ""},
        };
        for (String[] change : changes) {
            String changed = EVERYTHING.replaceFirst(change[0], change[1]);
            assertThat(changed).isNotEqualTo(EVERYTHING);
            assertThat(request(changed).digest()).as(changed).isNotEqualTo(request(EVERYTHING).digest());
        }
    }

    @Test
    void aRequestForNoImageCannotBeMade() {
        GenerationRequest request = request(PLAIN);
        assertThatIllegalArgumentException().isThrownBy(() -> new GenerationRequest(request.requestId(),
                request.prompt(), "", "plain", "final", Overrides.NONE, request.seed(), 0, ImageFormat.PNG, request.deadline(),
                request.metadata()));
    }

    private static GenerationRequest request(String json) {
        ReadResult result = READER.read(json.getBytes(StandardCharsets.UTF_8));
        assertThat(result).isInstanceOf(Understood.class);
        return ((Understood) result).request();
    }
}
