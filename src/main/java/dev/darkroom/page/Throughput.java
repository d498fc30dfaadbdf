package dev.darkroom.page;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Completed;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;

/** How fast images come, where their time goes, and what each worker says of its memory. Thread-safe. */
final class Throughput {

    /** Seconds that the rate is kept of. */
    static final int SECONDS = 120;
    /** The rate is the mean of so many seconds. */
    private static final int RATE_SECONDS = 10;
    private static final int OUTCOMES = 200;
    private static final int WORKERS = 64;
    private static final Map<String, Function<Completed.Timings, OptionalDouble>> STAGES = stages();

    private final int[] images = new int[SECONDS];
    /** The second, since 1970, that each count belongs to. */
    private final long[] seconds = new long[SECONDS];
    private final Deque<Completed.Timings> timings = new ArrayDeque<>();
    private final Map<String, Worker> workers = new LinkedHashMap<>();

    private record Worker(String source, Completed last, long images, long heard) {
    }

    private static Map<String, Function<Completed.Timings, OptionalDouble>> stages() {
        Map<String, Function<Completed.Timings, OptionalDouble>> stages = new LinkedHashMap<>();
        stages.put("queue wait", timings -> OptionalDouble.of(timings.queueWait()));
        stages.put("adapter switch", Completed.Timings::adapterSwitch);
        stages.put("text encoding", timings -> OptionalDouble.of(timings.textEncoding()));
        stages.put("source encoding", Completed.Timings::sourceEncoding);
        stages.put("denoising", timings -> OptionalDouble.of(timings.denoising()));
        stages.put("decoding", timings -> OptionalDouble.of(timings.decoding()));
        stages.put("safety check", Completed.Timings::safetyCheck);
        stages.put("image encoding", timings -> OptionalDouble.of(timings.imageEncoding()));
        stages.put("upload", timings -> OptionalDouble.of(timings.upload()));
        stages.put("total", timings -> OptionalDouble.of(timings.total()));
        return stages;
    }

    /** @param timestamp of the event's record, in milliseconds since 1970 */
    synchronized void completed(Completed completed, String source, long timestamp) {
        long second = Math.floorDiv(timestamp, 1000L);
        int slot = (int) Math.floorMod(second, (long) SECONDS);
        if (seconds[slot] < second) {
            seconds[slot] = second;
            images[slot] = 0;
        }
        if (seconds[slot] == second) {
            images[slot] += completed.images().size();
        }
        timings.addLast(completed.timings());
        if (timings.size() > OUTCOMES) {
            timings.removeFirst();
        }
        String name = source + " " + completed.model().device();
        Worker before = workers.remove(name);
        workers.put(name, new Worker(source, completed, (before == null ? 0 : before.images()) + completed.images().size(),
                timestamp));
        if (workers.size() > WORKERS) {
            workers.remove(workers.keySet().iterator().next());
        }
    }

    /**
     * Puts {@code imagesPerSecond}, {@code rate} (images in each of the last seconds, oldest first), {@code stages} (median and
     * 95th percentile of the last outcomes, in milliseconds) and {@code workers}.
     *
     * @param now in milliseconds since 1970
     */
    synchronized void tell(ObjectNode json, long now) {
        long last = Math.floorDiv(now, 1000L) - 1;
        ArrayNode rate = json.putArray("rate");
        int recent = 0;
        for (long second = last - SECONDS + 2; second <= last; second++) {
            int slot = (int) Math.floorMod(second, (long) SECONDS);
            int count = seconds[slot] == second ? images[slot] : 0;
            rate.add(count);
            recent += second > last - RATE_SECONDS ? count : 0;
        }
        json.put("imagesPerSecond", recent / (double) RATE_SECONDS);
        ArrayNode stages = json.putArray("stages");
        STAGES.forEach((name, of) -> {
            double[] values = timings.stream().map(of).flatMapToDouble(OptionalDouble::stream).sorted().toArray();
            if (values.length > 0) {
                stages.addObject().put("name", name).put("median", percentile(values, 0.5)).put("p95", percentile(values, 0.95));
            }
        });
        json.put("outcomes", timings.size());
        ArrayNode all = json.putArray("workers");
        workers.values().stream().sorted(Comparator.comparing((Worker worker) -> worker.source())
                .thenComparing(worker -> worker.last().model().device())).forEach(worker -> all.add(of(worker)));
    }

    private static ObjectNode of(Worker worker) {
        Completed.Model model = worker.last().model();
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("source", worker.source()).put("device", model.device()).put("bundle", model.bundle())
                .put("engine", model.engine()).put("compiled", model.compiled()).put("images", worker.images())
                .put("heard", worker.heard());
        worker.last().vram().ifPresent(vram -> json.putObject("vram").put("peakAllocated", vram.peakAllocated())
                .put("peakReserved", vram.peakReserved()).put("deviceUsed", vram.deviceUsed())
                .put("deviceTotal", vram.deviceTotal()));
        return json;
    }

    /** Of values in ascending order, the one that a share of them does not exceed. */
    private static double percentile(double[] sorted, double share) {
        return sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)];
    }

}
