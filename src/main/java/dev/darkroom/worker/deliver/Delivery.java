package dev.darkroom.worker.deliver;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.Safety;
import dev.darkroom.contract.Withheld;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.SafetyPolicy;
import dev.darkroom.digest.Sha256;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.Tracing;
import dev.darkroom.worker.WorkerMetrics;
import dev.darkroom.worker.WorkerThreads;
import dev.darkroom.worker.cancel.Cancellations;
import dev.darkroom.worker.claim.Claim;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.deliver.Provenance.Making;
import dev.darkroom.worker.image.ImageEncoder;
import dev.darkroom.worker.outcome.Outcomes;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.Retention;
import dev.darkroom.worker.store.StoredObject;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jboss.logging.Logger;

/**
 * Takes images to the store and their requests to an outcome: encodes, uploads, publishes, on threads of its own so that
 * the generator never waits. What waits here, and the threads, are bounded by the number of claims.
 */
@ApplicationScoped
public class Delivery {

    private static final Logger LOG = Logger.getLogger(Delivery.class);
    /** Metadata of an image: how it was made, for whoever finds it without an outcome. */
    private static final String MAKING = "making";
    /** The same for what the safety checker says of the image. */
    private static final String SAFETY = "safety";
    /** Metadata is bounded. A model has a long name before this is passed, and its images are generated again at worst. */
    private static final int LONGEST_MAKING = 1_500;
    /** So many wait for the store at once, whatever the processors. */
    private static final int FEWEST_PLACES = 8;

    private final ImageStore store;
    private final Outcomes outcomes;
    private final Cancellations cancellations;
    private final WorkerMetrics metrics;
    private final Tracing tracing;
    private final ObjectMapper json;
    private final boolean marked;
    private final SafetyPolicy safetyPolicy;
    private final Optional<Retention> retention;
    private final ImageEncoder encoder = new ImageEncoder();
    private final Semaphore places;
    private final ExecutorService threads = Executors.newCachedThreadPool(WorkerThreads.named("delivery"));

    Delivery(DarkroomConfig config, ImageStore store, Outcomes outcomes, Cancellations cancellations, WorkerMetrics metrics,
            Tracing tracing, ObjectMapper json) {
        this.store = store;
        this.outcomes = outcomes;
        this.cancellations = cancellations;
        this.metrics = metrics;
        this.tracing = tracing;
        this.json = json;
        this.places = new Semaphore(config.flow().deliveryThreads()
                .orElse(Math.max(FEWEST_PLACES, Runtime.getRuntime().availableProcessors())), true);
        this.marked = config.provenance().enabled();
        this.safetyPolicy = config.safety().policy();
        this.retention = config.store().retention().map(Retention::of);
    }

    /**
     * Delivers a job's images in the background.
     *
     * @param images the job's own
     * @param result what its batch came to
     * @param start when its batch was begun
     */
    public void deliver(Job job, GenerationParameters parameters, ModelDescription model, List<GeneratedImage> images,
            GenerationResult result, Instant start) {
        inBackground(job, () -> complete(job, parameters, model, images, result, start));
    }

    /** Says in the background that a request failed. */
    public void fail(Job job, FailureReason reason, Optional<String> field, String message) {
        inBackground(job, () -> outcomes.fail(job, reason, field, message));
    }

    /** Says in the background that a request's deadline has passed. */
    public void expire(Job job) {
        inBackground(job, () -> outcomes.expire(job));
    }

    /** Says in the background that a request is not wanted any more. */
    public void cancel(Job job) {
        inBackground(job, () -> outcomes.cancel(job));
    }

    private void complete(Job job, GenerationParameters parameters, ModelDescription model, List<GeneratedImage> images,
            GenerationResult result, Instant start) {
        Runnable outcome = inTurn(() -> {
            if (cancellations.contains(job.request().requestId())) {
                return () -> outcomes.cancel(job);
            }
            int[] kept = IntStream.range(0, images.size()).filter(i -> kept(images.get(i))).toArray();
            List<Withheld> withheld = withheld(job, images);
            if (kept.length == 0) {
                return () -> outcomes.withhold(job, withheld);
            }
            Completed completed = store(job, new Provenance(job.request().profile(), parameters, model, marked), images,
                    kept, withheld, result, start);
            return () -> outcomes.complete(job, completed);
        });
        outcome.run();
    }

    /** Those of a job's images that are not to be stored. */
    private List<Withheld> withheld(Job job, List<GeneratedImage> images) {
        List<Withheld> withheld = images.stream().filter(image -> !kept(image))
                .map(image -> new Withheld(image.seed(), Provenance.safety(image).orElseThrow())).toList();
        images.stream().flatMap(image -> Provenance.safety(image).stream()).filter(Safety::flagged)
                .forEach(flagged -> metrics.flagged(!safetyPolicy.keeps(true)));
        if (!withheld.isEmpty()) {
            LOG.infof("images=withheld requestId=%s withheld=%d of=%d", job.request().requestId(), withheld.size(),
                    images.size());
        }
        return withheld;
    }

    private boolean kept(GeneratedImage image) {
        return Provenance.safety(image).map(said -> safetyPolicy.keeps(said.flagged())).orElse(true);
    }

    /** Only while images are encoded and uploaded: one that waits for the broker keeps no other from the store. */
    private <T> T inTurn(Supplier<T> work) {
        try {
            places.acquire();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("The worker stopped before the images were stored.");
        }
        try {
            return work.get();
        } finally {
            places.release();
        }
    }

    private Completed store(Job job, Provenance provenance, List<GeneratedImage> images, int[] kept,
            List<Withheld> withheld, GenerationResult result, Instant start) {
        GenerationRequest request = job.request();
        Instant encoding = Instant.now();
        List<ImagePrompt> prompts = job.prompts();
        List<byte[]> files = IntStream.of(kept)
                .mapToObj(i -> encode(request, provenance, prompts.get(i), images.get(i))).toList();
        Instant uploading = Instant.now();
        Instant produced = job.claim().produced();
        Duration queueWait = Duration.between(produced, start);
        Making making = provenance.making(images, result, queueWait, Duration.between(encoding, uploading));
        List<Completed.Image> stored = new ArrayList<>();
        for (int i = 0; i < files.size(); i++) {
            stored.add(upload(job, kept[i], images.get(kept[i]), files.get(i), making));
        }
        Instant uploaded = Instant.now();

        Duration total = Duration.between(produced, uploaded);
        record("queue_wait", queueWait);
        record("image_encoding", Duration.between(encoding, uploading));
        record("upload", Duration.between(uploading, uploaded));
        record("total", total);
        trace(job.claim(), result, start, encoding, uploading, uploaded);
        return completed(job, provenance, stored, withheld, making.stored(Duration.between(uploading, uploaded), total));
    }

    private static Completed completed(
            Job job, Provenance provenance, List<Completed.Image> images, List<Withheld> withheld, Making making) {
        GenerationRequest request = job.request();
        return new Completed(request.requestId(), images, withheld,
                provenance.parameters(job.prompts().get(0), request.count(), request.format(),
                        making.promptTruncated()).startedFrom(request.image(), request.mask()),
                making.timings(), making.vram(), making.model(), provenance.mark(request.prompt()), request.metadata());
    }

    /**
     * Completes a job with the images that an earlier delivery of its record left in the store, where its worker did not
     * live to write the outcome down. Blocks, on the calling thread, until the job is completed.
     *
     * @return false if it is to be generated: images are missing, as those that are withheld, or another model made them
     */
    public boolean adopt(Job job, GenerationParameters parameters, ModelDescription model) {
        Optional<Completed> stored = stored(job, parameters, model);
        stored.ifPresent(completed -> outcomes.complete(job, completed));
        return stored.isPresent();
    }

    /** What an earlier delivery left of a job, if that is all of its images. */
    public Optional<Completed> stored(Job job, GenerationParameters parameters, ModelDescription model) {
        Instant begin = Instant.now();
        List<StoredObject> found = new ArrayList<>();
        for (int i = 0; i < job.images(); i++) {
            Optional<StoredObject> object = store.find(key(job, i));
            if (object.isEmpty()) {
                return Optional.empty();
            }
            found.add(object.get());
        }
        Optional<Making> making = making(found.get(0)).filter(its -> its.model().digest().equals(model.digest()));
        if (making.isEmpty() || !IntStream.range(0, found.size()).allMatch(i -> adoptable(key(job, i), found.get(i)))) {
            return Optional.empty();
        }
        List<Completed.Image> images = new ArrayList<>();
        for (int i = 0; i < found.size(); i++) {
            images.add(image(job, i, found.get(i), parameters.width(), parameters.height(), safety(found.get(i))));
        }
        Instant end = Instant.now();
        var provenance = new Provenance(job.request().profile(), parameters, model, making.get().marked());
        return Optional.of(completed(job, provenance, images, List.of(),
                making.get().stored(Duration.between(begin, end), Duration.between(job.claim().produced(), end))));
    }

    /** Whether it is whole, and was looked at as this worker has images looked at. */
    private boolean adoptable(String key, StoredObject object) {
        boolean looked = safety(object).map(said -> safetyPolicy.keeps(said.flagged())).orElse(!safetyPolicy.checks());
        return looked && store.get(key).filter(content -> Sha256.hex(content).equals(object.sha256())).isPresent();
    }

    private Optional<Making> making(StoredObject object) {
        return read(object, MAKING, Making.class);
    }

    private Optional<Safety> safety(StoredObject object) {
        return read(object, SAFETY, Safety.class);
    }

    private <T> Optional<T> read(StoredObject object, String name, Class<T> type) {
        try {
            String text = object.metadata().get(name);
            return text == null ? Optional.empty() : Optional.of(json.readValue(text, type));
        } catch (JsonProcessingException e) {
            LOG.warnf("image=not-adopted key=%s reason=\"%s\"", object.key(), e.getOriginalMessage());
            return Optional.empty();
        }
    }

    private String text(Object value) {
        try {
            return json.writer().with(JsonGenerator.Feature.ESCAPE_NON_ASCII).writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write " + value, e);
        }
    }

    private byte[] encode(GenerationRequest request, Provenance provenance, ImagePrompt prompt, GeneratedImage image) {
        return encoder.encode(request.format(), image.width(), image.height(), image.rgb(),
                provenance.image(prompt, Map.of("Request", request.requestId())),
                provenance.mark(request.prompt()));
    }

    private Completed.Image upload(Job job, int index, GeneratedImage image, byte[] file, Making making) {
        GenerationRequest request = job.request();
        Map<String, String> metadata = new HashMap<>(
                Map.of("request-id", request.requestId(), "seed", Long.toString(image.seed())));
        String text = text(making);
        if (text.length() <= LONGEST_MAKING) {
            metadata.put(MAKING, text);
        }
        Optional<Safety> safety = Provenance.safety(image);
        safety.ifPresent(said -> metadata.put(SAFETY, text(said)));
        StoredObject object = store.putIfAbsent(key(job, index), file, request.format().contentType(), metadata);
        return image(job, index, object, image.width(), image.height(), safety);
    }

    private static String key(Job job, int index) {
        return ObjectKeys.image(job.identity(), index, job.request().format());
    }

    private Completed.Image image(
            Job job, int index, StoredObject object, int width, int height, Optional<Safety> safety) {
        Optional<Instant> expires = retention.map(its -> its.expires(object.stored()));
        return new Completed.Image(object.bucket(), object.key(), object.uri(), object.etag(), object.sha256(), object.bytes(),
                width, height, job.request().seedOf(index), safety, expires,
                job.request().link().map(validity -> link(key(job, index), validity.duration(), expires)));
    }

    /** No link outlives its image. */
    private Completed.Link link(String key, Duration validity, Optional<Instant> imageExpires) {
        Instant ends = Instant.now().truncatedTo(ChronoUnit.SECONDS).plus(validity);
        return new Completed.Link(store.link(key, validity), imageExpires.filter(ends::isAfter).orElse(ends));
    }

    private void record(String stage, Duration duration) {
        metrics.stage(stage, duration.isNegative() ? Duration.ZERO : duration);
    }

    private void trace(Claim claim, GenerationResult result, Instant start, Instant encoding,
            Instant uploading, Instant uploaded) {
        Instant encodingText = start.plus(result.adapterSwitch().orElse(Duration.ZERO));
        Instant encodingSource = encodingText.plus(result.textEncoding());
        Instant denoising = encodingSource.plus(result.sourceEncoding().orElse(Duration.ZERO));
        Instant decoding = denoising.plus(result.denoising());
        tracing.stage(claim.span(), "queue_wait", claim.produced(), start);
        if (result.adapterSwitch().isPresent()) {
            tracing.stage(claim.span(), "adapter_switch", start, encodingText);
        }
        tracing.stage(claim.span(), "text_encoding", encodingText, encodingSource);
        if (result.sourceEncoding().isPresent()) {
            tracing.stage(claim.span(), "source_encoding", encodingSource, denoising);
        }
        tracing.stage(claim.span(), "denoising", denoising, decoding);
        Instant checking = decoding.plus(result.decoding());
        tracing.stage(claim.span(), "decoding", decoding, checking);
        result.safetyCheck().ifPresent(took -> tracing.stage(claim.span(), "safety_check", checking, checking.plus(took)));
        tracing.stage(claim.span(), "image_encoding", encoding, uploading);
        tracing.stage(claim.span(), "upload", uploading, uploaded);
    }

    private void inBackground(Job job, Runnable work) {
        try {
            threads.execute(() -> job.claim().attend(work, failure ->
                    outcomes.fail(job, FailureReason.GENERATION_FAILED, Optional.empty(),
                            "The images could not be delivered: " + failure.getMessage())));
        } catch (RejectedExecutionException | Error e) {
            job.claim().release("nobody can deliver it: " + e);
        }
    }

    @PreDestroy
    void close() {
        threads.shutdownNow();
    }
}
