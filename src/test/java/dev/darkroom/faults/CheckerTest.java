package dev.darkroom.faults;

import static org.assertj.core.api.Assertions.assertThat;

import dev.darkroom.digest.Sha256;
import dev.darkroom.faults.Checker.Verdict;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.imageio.ImageIO;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the campaign's check finds, when it is there to be found. */
class CheckerTest {

    private static final int LIME = 0;
    private static final int LEMON = 1;
    private static final List<String> COMPLETED = List.of(Expected.COMPLETED);
    private static final List<String> COMPLETED_OR_CANCELLED = List.of(Expected.COMPLETED, "CANCELLED");

    private final List<Message> requests = new ArrayList<>();
    private final List<Message> answers = new ArrayList<>();
    private final Map<String, byte[]> store = new HashMap<>();
    private final Pictures pictures = new Pictures();

    @BeforeEach
    void learn() {
        pictures.learn(LIME, file(LIME, ""));
        pictures.learn(LEMON, file(LEMON, ""));
    }

    @Test
    void nothingIsFoundWhereAllIsWell() {
        request(0, "a", "key", LIME, COMPLETED);
        completed("a", "key", LIME, "");
        // The same event, once more, is no second outcome
        answers.add(answers.get(0));
        request(1, "b", "key", -1, List.of("INVALID_REQUEST"));
        failed("b", "b.failed.0-1", "key", "INVALID_REQUEST");
        request(2, null, null, -1, List.of(Expected.DEAD_LETTER));
        deadLetter(2, "not JSON");

        Verdict verdict = check();
        assertThat(verdict.good()).isTrue();
        assertThat(verdict.requests()).isEqualTo(3);
        assertThat(verdict.images()).isEqualTo(1);
    }

    @Test
    void aRecordWithoutAnAnswerIsLost() {
        request(0, "a", "key", LIME, COMPLETED);
        request(1, null, null, -1, List.of(Expected.DEAD_LETTER));
        assertThat(check().lost()).hasSize(2).anyMatch(found -> found.contains("a at 0-0"));
    }

    @Test
    void aCopyThatWasNotAnsweredOnItsOwnKeyIsLost() {
        request(0, "a", "first", LIME, COMPLETED);
        request(1, "a", "second", LIME, COMPLETED);
        completed("a", "first", LIME, "");
        assertThat(check().lost()).singleElement().asString().contains("0-1");
    }

    @Test
    void aRequestThatGotTheOutcomeOfAnotherWithItsIdIsLost() {
        request(0, "a", "first", LIME, List.of(Expected.COMPLETED, "REQUEST_ID_REUSED"));
        request(1, "a", "second", LEMON, List.of(Expected.COMPLETED, "REQUEST_ID_REUSED"));
        completed("a", "first", LIME, "");
        completed("a", "second", LIME, "");
        assertThat(check().lost()).singleElement().asString().contains("0-1");
    }

    @Test
    void twoEventsOfOneRequestAreASecondOutcome() {
        request(0, "a", "key", LIME, COMPLETED);
        completed("a", "key", LIME, "");
        completed("a", "key", LIME, ", \"timings\": {}");
        assertThat(check().secondOutcomes()).singleElement().asString().contains("a was told 2 outcomes");
    }

    @Test
    void aRefusalThatIsToldInTwoWaysIsASecondOutcome() {
        request(0, "a", "key", -1, List.of("INVALID_REQUEST"));
        failed("a", "a.failed.0-0", "key", "INVALID_REQUEST");
        Message first = answers.get(0);
        Map<String, String> later = new HashMap<>(first.headers());
        later.put("ce_time", "later");
        answers.add(new Message(first.topic(), 0, 9, first.key(), later, first.value(), 0));
        assertThat(check().secondOutcomes()).singleElement().asString().contains("a at 0-0 was told 2 outcomes");
    }

    @Test
    void aRecordThatIsBothRefusedAndHonouredHasTwoOutcomes() {
        request(0, "a", "key", LIME, List.of(Expected.COMPLETED, "REQUEST_ID_REUSED"));
        completed("a", "key", LIME, "");
        failed("a", "a.failed.0-0", "key", "REQUEST_ID_REUSED");
        assertThat(check().secondOutcomes()).singleElement().asString().contains("REQUEST_ID_REUSED");
    }

    @Test
    void anImageOfAnotherPictureIsMixed() {
        request(0, "a", "key", LIME, COMPLETED);
        completed("a", "key", LIME, "");
        store.put("images/a", file(LEMON, text("a", LIME)));
        withSha256Of("images/a");
        assertThat(check().mixedImages()).singleElement().asString().contains("looks otherwise");
    }

    @Test
    void anImageOfAnotherRequestIsMixed() {
        request(0, "a", "key", LIME, COMPLETED);
        completed("a", "key", LIME, "");
        store.put("images/a", file(LIME, text("b", LIME)));
        withSha256Of("images/a");
        assertThat(check().mixedImages()).singleElement().asString().contains("another request");
    }

    @Test
    void anImageThatIsNotWhatItsOutcomeSaysIsMixed() {
        request(0, "a", "key", LIME, COMPLETED);
        completed("a", "key", LIME, "");
        store.put("images/a", file(LIME, text("a", LIME) + " written twice"));
        assertThat(check().mixedImages()).singleElement().asString().contains("another content");
    }

    @Test
    void whatNobodyAskedForIsAnOrphan() {
        failed("a", "a.failed", "key", "EXPIRED");
        deadLetter(7, "not JSON");
        assertThat(check().orphanOutcomes()).hasSize(2);
    }

    @Test
    void anOutcomeWithoutItsImageIsAnOrphan() {
        request(0, "a", "key", LIME, COMPLETED);
        completed("a", "key", LIME, "");
        store.clear();
        assertThat(check().orphanOutcomes()).singleElement().asString().contains("not there");
    }

    @Test
    void anAnswerThatTheRequestDoesNotCallForIsFound() {
        request(0, "a", "key", LIME, COMPLETED);
        failed("a", "a.failed", "key", "GENERATION_FAILED");
        assertThat(check().wrongOutcomes()).singleElement().asString().contains("GENERATION_FAILED");
    }

    @Test
    void aPlaceInOneLaneIsNotThatInTheOther() {
        request(0, null, null, -1, List.of(Expected.DEAD_LETTER));
        Message ordinary = requests.get(0);
        requests.add(new Message(Cluster.EXPRESS, 0, 0, null, ordinary.headers(), "", 0));
        deadLetter(0, "not JSON");
        assertThat(check().lost()).singleElement().asString().contains("express-0-0");
    }

    @Test
    void aCancelledRequestMayHaveEitherOutcome() {
        request(0, "a", "key", LIME, COMPLETED_OR_CANCELLED);
        completed("a", "key", LIME, "");
        request(1, "b", "key", LIME, COMPLETED_OR_CANCELLED);
        failed("b", "b.failed", "key", "CANCELLED");
        assertThat(check().good()).isTrue();
    }

    @Test
    void aCancelledRequestWhoseCopiesHaveDifferentOutcomesHasTwo() {
        request(0, "a", "first", LIME, COMPLETED_OR_CANCELLED);
        request(1, "a", "second", LIME, COMPLETED_OR_CANCELLED);
        completed("a", "first", LIME, "");
        failed("a", "a.failed", "second", "CANCELLED");
        assertThat(check().secondOutcomes()).singleElement().asString().contains("a was told 2 outcomes");
    }

    @Test
    void aRequestThatWasDoneWhenItWasCancelledKeepsItsOutcome() {
        request(0, "a", "key", LIME, COMPLETED);
        failed("a", "a.failed", "key", "CANCELLED");
        assertThat(check().wrongOutcomes()).singleElement().asString().contains("CANCELLED");
    }

    @Test
    void aRequestThatKeptEndingItsWorkerIsCounted() {
        request(0, "a", "key", LIME, COMPLETED);
        failed("a", "a.failed", "key", "TOO_MANY_ATTEMPTS");
        deadLetter(0, "The worker ended during each of 3 attempts");
        Verdict verdict = check();
        assertThat(verdict.good()).isTrue();
        assertThat(verdict.tooManyAttempts()).isEqualTo(1);
    }

    private Verdict check() {
        return new Checker(requests, answers, key -> Optional.ofNullable(store.get(key)), pictures).check();
    }

    private void request(long offset, String id, String key, int picture, List<String> ends) {
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(Cluster.REQUESTS, null);
        new Expected(id, picture, ends).writeTo(record);
        String expected = new String(record.headers().lastHeader(Expected.HEADER).value(), StandardCharsets.UTF_8);
        requests.add(new Message(Cluster.REQUESTS, 0, offset, key, Map.of(Expected.HEADER, expected), "", 0));
    }

    private void completed(String id, String key, int picture, String more) {
        byte[] file = file(picture, text(id, picture));
        store.put("images/" + id, file);
        answers.add(outcome(key, Map.of("ce_id", id + ".completed", "ce_subject", id,
                "ce_type", "dev.darkroom.image.completed.v1"),
                ("{\"images\": [{\"key\": \"images/%s\", \"sha256\": \"%s\"}], "
                        + "\"parameters\": {\"prompt\": \"%s\", \"seed\": %d}%s}").formatted(
                        id, Sha256.hex(file), Pictures.prompt(picture), Pictures.seed(picture), more)));
    }

    private void failed(String id, String eventId, String key, String reason) {
        answers.add(outcome(key, Map.of("ce_id", eventId, "ce_subject", id, "ce_type", "dev.darkroom.image.failed.v1"),
                "{\"reason\": \"%s\"}".formatted(reason)));
    }

    private static Message outcome(String key, Map<String, String> headers, String value) {
        return new Message(Cluster.COMPLETIONS, 0, 0, key, headers, value, 0);
    }

    private void deadLetter(long offset, String reason) {
        answers.add(new Message(Cluster.DEAD_LETTERS, 0, 0, null, Map.of("dead-letter-partition", "0",
                "dead-letter-offset", Long.toString(offset), "dead-letter-reason", reason), null, 0));
    }

    /** Lets the last outcome name what now lies under the key. */
    private void withSha256Of(String key) {
        Message last = answers.remove(answers.size() - 1);
        answers.add(outcome(last.key(), last.headers(), last.value().replaceFirst("\"sha256\": \"\\w+\"",
                "\"sha256\": \"" + Sha256.hex(store.get(key)) + "\"")));
    }

    private static String text(String id, int picture) {
        return Pictures.prompt(picture) + "\nSteps: 2, Request: " + id;
    }

    /** A file of one colour for each picture, with a text behind it, as image files carry one. */
    private static byte[] file(int picture, String text) {
        BufferedImage image = new BufferedImage(2, 2, BufferedImage.TYPE_INT_RGB);
        image.setRGB(0, 0, 0x102030 * (picture + 1));
        try {
            ByteArrayOutputStream file = new ByteArrayOutputStream();
            ImageIO.write(image, "png", file);
            file.write(text.getBytes(StandardCharsets.ISO_8859_1));
            return file.toByteArray();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
