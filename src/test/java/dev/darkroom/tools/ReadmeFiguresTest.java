package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** README.md says what was measured, as the files of measurements in docs have it. */
class ReadmeFiguresTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final double GIB = 1L << 30;
    private static final JsonNode GPU = read("docs/benchmarks/gpu.json");
    private static final JsonNode STUDY = read("docs/benchmarks/study.json").get("profiles");
    private static final JsonNode QUALITY = read("docs/quality.json").get("profiles");

    @ParameterizedTest
    @MethodSource("profiles")
    void timeAndMemoryOfAProfile(String profile) throws IOException {
        String row = String.format("\n| `%s` | %s | %s | %s | %s | %s | %s |\n", profile,
                cell("%.3f", STUDY.path(profile).path("secondsPerImage")), cell("%.2f", STUDY.path(profile).path("gigabytes")),
                row(diffusers(true), profile, 1).map(ReadmeFiguresTest::seconds).orElse(""),
                row(diffusers(true), profile, 1).map(ReadmeFiguresTest::memory).orElse(""),
                row(darkroom(), profile, 1).map(found -> "**" + seconds(found) + "**").orElseThrow(),
                row(darkroom(), profile, 1).map(ReadmeFiguresTest::memory).orElseThrow());

        assertThat(readme()).contains(row.replaceAll(" {2,}", "  "));
    }

    @ParameterizedTest
    @MethodSource("rated")
    void qualityOfAProfile(String profile) throws IOException {
        JsonNode of = QUALITY.get(profile);
        JsonNode all = of.get("accuracy").get("all");
        String pairs = of.has("pairs") ? percent(of.get("pairs").get("objects")) + " " : "";

        assertThat(readme()).contains(String.format("\n| `%s` | %d | %s | %s | %s|\n", profile, of.get("forwards").intValue(),
                percent(all.get("color")), percent(all.get("object")), pairs));
    }

    @Test
    void whatIsSaidBesideTheTable() throws IOException {
        JsonNode worker = GPU.get("worker");
        JsonNode eager = row(diffusers(false), "baseline", 1).orElseThrow();
        double ready = GPU.get("coldStart").get("seconds").doubleValue();
        double later = GPU.get("laterStart").get("seconds").doubleValue();

        assertThat(readme().replaceAll("\\s+", " ")).contains(
                said("`final` makes %.1f images a second, and the whole worker with its broker and store %.1f; two workers on "
                                + "two GPUs %.1f.", speed(row(darkroom(), "final", 16).orElseThrow()), speed(worker.get(0)),
                        speed(GPU.get("workers").get("all"))),
                said("`fast` makes %.0f, the worker %.0f.", speed(row(darkroom(), "fast", 16).orElseThrow()),
                        speed(worker.get(1))),
                said("after %.0f to %.0f s.", Math.floor(Math.min(ready, later)), Math.ceil(Math.max(ready, later))),
                said("an adapter of rank 64 takes %.0f ms.", row(darkroom(), "fast", 1).orElseThrow()
                        .get("adapterSwitchMilliseconds").get("median").doubleValue()),
                said("took %.2f s for a `baseline` image", Double.valueOf(seconds(eager))),
                said("in %s GiB and %.2f s for `final`, and made %.1f images a second of `final` in batches of 8; compiled, "
                                + "%.1f.",
                        memory(eager), Double.valueOf(seconds(row(diffusers(false), "final", 1).orElseThrow())),
                        speed(row(diffusers(false), "final", 8).orElseThrow()),
                        speed(row(diffusers(true), "final", 8).orElseThrow())));
    }

    @Test
    void theCampaignWasOfAThousandFaultsAndNothingWasLost() {
        JsonNode campaign = read("docs/reliability.json");

        assertThat(campaign.get("faults").intValue()).isGreaterThanOrEqualTo(1000);
        assertThat(List.of("lost", "secondOutcomes", "mixedImages", "orphanOutcomes", "wrongOutcomes"))
                .allSatisfy(count -> assertThat(campaign.get(count).intValue()).as(count).isZero());
    }

    static Stream<String> profiles() {
        return StreamSupport.stream(GPU.get("rows").spliterator(), false).filter(darkroom())
                .map(row -> row.get("profile").textValue()).distinct();
    }

    /** Those that draw the images of {@code baseline} have no row. */
    static Stream<String> rated() {
        return StreamSupport.stream(((Iterable<String>) QUALITY::fieldNames).spliterator(), false)
                .filter(profile -> !List.of("compiled", "euler-30").contains(profile));
    }

    private static Predicate<JsonNode> darkroom() {
        return row -> row.get("implementation").textValue().equals("darkroom");
    }

    private static Predicate<JsonNode> diffusers(boolean compiled) {
        return row -> row.get("implementation").textValue().equals("diffusers") && row.get("compiled").booleanValue() == compiled;
    }

    private static Optional<JsonNode> row(Predicate<JsonNode> implementation, String profile, int batch) {
        return StreamSupport.stream(GPU.get("rows").spliterator(), false)
                .filter(implementation.and(row -> row.get("profile").textValue().equals(profile)
                        && row.get("batch").intValue() == batch))
                .min(Comparator.comparing(row -> row.get("secondsPerImage").get("median").doubleValue()));
    }

    private static String seconds(JsonNode row) {
        return said("%.3f", row.get("secondsPerImage").get("median").doubleValue());
    }

    private static String memory(JsonNode row) {
        return said("%.2f", row.get("peakAllocatedBytes").doubleValue() / GIB);
    }

    private static double speed(JsonNode row) {
        return row.get("imagesPerSecond").doubleValue();
    }

    private static String percent(JsonNode interval) {
        return said("%.1f", 100 * interval.get(0).doubleValue());
    }

    private static String cell(String format, JsonNode number) {
        return number.isMissingNode() ? "" : said(format, number.doubleValue());
    }

    private static String said(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    private static String readme() throws IOException {
        return Files.readString(Path.of("README.md"));
    }

    private static JsonNode read(String file) {
        try {
            return MAPPER.readTree(Path.of(file).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
