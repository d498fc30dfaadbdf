package dev.darkroom.tools.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.bench.GpuRow.Spread;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.StreamSupport;

/** What {@code darkroom bench gpu} measured, written anew after every measurement: a run that is cut off keeps what it has. */
final class GpuReport {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ObjectWriter INDENTED = JSON.writer(SerializationFeature.INDENT_OUTPUT);
    private static final List<String> KEY = List.of("implementation", "compiled", "profile", "batch", "torch");

    /** Batches of the worker are compared with full ones if they hold this share of them on average. */
    private static final double NEARLY_FULL = 0.9;

    private final Path file;
    private final ArithmeticCeiling ceiling;
    private final ObjectNode report = JSON.createObjectNode();
    private final ArrayNode rows;
    private final ArrayNode steps;

    GpuReport(Path file, String command, ArithmeticCeiling ceiling) {
        this.file = file;
        this.ceiling = ceiling;
        report.put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        report.put("command", command);
        steps = JSON.createArrayNode();
        rows = report.putArray("rows");
    }

    void model(ProfileBenchCommand.Ready model) throws IOException {
        report.put("device", model.device()).put("torch", model.torch()).put("bundle", model.bundle());
        report.put("size", model.size());
        write();
    }

    /**
     * A process was ready for the profile that is studied. The first that is told was the first on the machine, as far as this
     * run knows.
     *
     * @param seconds from the start of the process
     * @param batchSizes that it was ready for
     */
    void started(double seconds, List<Integer> batchSizes) throws IOException {
        ObjectNode start = report.putObject(report.has("coldStart") ? "laterStart" : "coldStart").put("seconds", seconds);
        start.set("batchSizes", JSON.valueToTree(batchSizes));
        write();
    }

    void add(GpuRow row, boolean isStudied) throws IOException {
        rows.add(JSON.<JsonNode>valueToTree(row));
        // The step is the same in all profiles: those of the profile that everything is measured for stand for it
        if (isStudied) {
            report.set("steps", steps);
            step(row, true, row.guidedStepMilliseconds());
            step(row, false, row.unguidedStepMilliseconds());
        }
        write();
    }

    private void step(GpuRow row, boolean guided, Spread milliseconds) {
        if (milliseconds == null) {
            return;
        }
        ObjectNode step = steps.addObject().put("batch", row.batch()).put("guided", guided);
        step.set("milliseconds", JSON.valueToTree(milliseconds));
        if (row.arithmeticShare() != null) {
            step.put("arithmeticShare", ceiling.shareOfStep(row.batch(), guided, milliseconds.median() / 1e3));
        }
    }

    /**
     * Takes over the rows of a peer, as {@code darkroom_bench.peers} writes them; what was measured here stays. A peer that was
     * measured on several releases of torch keeps a row of each.
     *
     * @throws CommandException if they cannot be compared: another device, or images of another size
     */
    void merge(Path peer) throws IOException {
        JsonNode measured = JSON.readTree(peer.toFile());
        for (String same : List.of("device", "size")) {
            if (!measured.path(same).equals(report.path(same))) {
                throw new CommandException("The peer's rows are left out, as they cannot be compared: "
                        + "its %s is %s, Darkroom's %s."
                        .formatted(same, measured.path(same).asText(), report.path(same).asText()));
            }
        }
        for (JsonNode row : measured.path("rows")) {
            if (StreamSupport.stream(rows.spliterator(), false).noneMatch(
                    own -> KEY.stream().allMatch(key -> own.path(key).equals(row.path(key))))) {
                rows.add(row);
            }
        }
        write();
    }

    /**
     * What the whole worker did of a profile. Beside it stands what the pipeline alone does in batches of that size.
     *
     * @param measured by {@code darkroom bench --json}
     */
    void worker(JsonNode measured, int requests) throws IOException {
        // The last batches of a backlog are smaller than the others
        double average = measured.path("batchSize").asDouble();
        Optional<JsonNode> pipeline = StreamSupport.stream(rows.spliterator(), false)
                .filter(row -> row.path("implementation").asText().equals("darkroom")
                        && row.path("profile").equals(measured.path("profile"))
                        && average <= row.path("batch").asInt() && average >= NEARLY_FULL * row.path("batch").asInt())
                .findFirst();
        ObjectNode worker = report.withArray("worker").addObject();
        worker.put("profile", measured.path("profile").asText());
        worker.put("batch", pipeline.map(row -> row.path("batch").asInt()).orElse((int) Math.round(average)));
        worker.put("requests", requests);
        worker.set("imagesPerSecond", measured.path("imagesPerSecond"));
        pipeline.ifPresent(row -> worker.set("pipelineImagesPerSecond", row.path("imagesPerSecond")));
        worker.set("measured", measured);
        write();
    }

    /**
     * What several workers did, against one.
     *
     * @param measured by {@code darkroom bench --devices … --json}, a {@link WorkersReport}
     */
    void workers(JsonNode measured) throws IOException {
        report.set("workers", measured);
        write();
    }

    /** Whether nothing was measured, so that there is no file. */
    boolean isEmpty() {
        return rows.isEmpty();
    }

    private void write() throws IOException {
        Path partial = file.resolveSibling(file.getFileName() + ".partial");
        Files.write(partial, INDENTED.writeValueAsBytes(report));
        Files.move(partial, file, StandardCopyOption.REPLACE_EXISTING);
    }

    /** The report for a person. */
    String toText() {
        Formatter text = new Formatter(Locale.ROOT);
        text.format("%s, torch %s, bundle %s%n%n", report.path("device").asText(), report.path("torch").asText(),
                report.path("bundle").asText());
        text.format("%-10s %-16s %-10s %5s %9s %9s %9s %9s %10s %10s %10s %7s %7s%n", "", "profile", "compiled", "batch",
                "s/image", "min", "max", "images/s", "alloc GiB", "resv GiB", "used GiB", "share", "cold s");
        for (JsonNode row : rows) {
            JsonNode seconds = row.path("secondsPerImage");
            text.format("%-10s %-16s %-10s %5d %9.4f %9.4f %9.4f %9.2f %10s %10s %10s %7s %7s%n",
                    row.path("implementation").asText(), row.path("profile").asText(), row.path("compiled").asText("-"),
                    row.path("batch").asInt(), seconds.path("median").asDouble(), seconds.path("min").asDouble(),
                    seconds.path("max").asDouble(), row.path("imagesPerSecond").asDouble(),
                    number(row.path("peakAllocatedBytes"), 1.0 / (1 << 30)),
                    number(row.path("peakReservedBytes"), 1.0 / (1 << 30)),
                    number(row.path("deviceBeyondContextBytes"), 1.0 / (1 << 30)), number(row.path("arithmeticShare"), 1),
                    number(row.path("coldStartSeconds"), 1));
        }
        for (JsonNode step : steps) {
            text.format("step %-10s batch %d: %.2f ms%n", step.path("guided").asBoolean() ? "guided" : "unguided",
                    step.path("batch").asInt(), step.path("milliseconds").path("median").asDouble());
        }
        for (String start : List.of("coldStart", "laterStart")) {
            JsonNode seconds = report.path(start).path("seconds");
            if (seconds.isNumber()) {
                text.format("%s: ready after %.1f s, batches of %s%n", start, seconds.asDouble(),
                        report.path(start).path("batchSizes"));
            }
        }
        for (JsonNode worker : report.path("worker")) {
            JsonNode pipeline = worker.path("pipelineImagesPerSecond");
            text.format("worker, %s, batch %d: %.2f images/s of %d requests; the pipeline alone %s%n",
                    worker.path("profile").asText(), worker.path("batch").asInt(),
                    worker.path("imagesPerSecond").asDouble(), worker.path("requests").asInt(),
                    pipeline.isNumber()
                            ? String.format(Locale.ROOT, "%.2f", pipeline.asDouble())
                            : "not measured in such batches");
        }
        JsonNode workers = report.path("workers");
        if (!workers.isMissingNode()) {
            text.format("%d workers: %.2f images/s, %.3f times as many as one%n", workers.path("workers").size(),
                    workers.path("all").path("imagesPerSecond").asDouble(), workers.path("ratio").asDouble());
        }
        return text.toString();
    }

    private static String number(JsonNode value, double scale) {
        return value.isNumber() ? String.format(Locale.ROOT, "%.3f", value.asDouble() * scale) : "-";
    }
}
