package dev.darkroom.worker;

import dev.darkroom.contract.Completed.Timings;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.worker.image.ImageEncoder;
import dev.darkroom.worker.image.ImageFormat;
import dev.darkroom.worker.image.ImageParameters;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.StorageException;
import dev.darkroom.worker.store.StoredObject;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jboss.logging.Logger;

/**
 * Brings images out: encodes, uploads, and tells the outcome, on threads of its own so that the generator never waits.
 * What waits here is bounded by the places that {@link InFlight} has.
 */
@ApplicationScoped
class Delivery {

    private static final Logger LOG = Logger.getLogger(Delivery.class);

    private final ImageStore store;
    private final Conclusion conclusion;
    private final WorkerMetrics metrics;
    private final Tracing tracing;
    private final ImageEncoder encoder = new ImageEncoder();
    private final ExecutorService threads;

    Delivery(DarkroomConfig config, ImageStore store, Conclusion conclusion, WorkerMetrics metrics, Tracing tracing) {
        this.store = store;
        this.conclusion = conclusion;
        this.metrics = metrics;
        this.tracing = tracing;
        this.threads = Executors.newFixedThreadPool(config.flow().deliveryThreads(), WorkerThreads.named("delivery"));
    }

    /** Brings the images of a batch out in the background, each job on its own. */
    void deliver(Batch batch, ModelDescription model, GenerationResult result, Instant start) {
        record("text_encoding", result.textEncoding());
        record("denoising", result.denoising());
        record("decoding", result.decoding());
        int first = 0;
        for (Job job : batch.jobs()) {
            List<GeneratedImage> images = result.images().subList(first, first + job.images());
            first += job.images();
            inBackground(job, () -> deliver(job, batch.parameters(), model, images, result, start));
        }
    }

    /** Tells in the background that a request failed. */
    void fail(Job job, FailureReason reason, Optional<String> field, String message) {
        inBackground(job, () -> conclusion.fail(job, reason, field, message));
    }

    /** Tells in the background that a request's deadline has passed. */
    void expire(Job job) {
        inBackground(job, () -> conclusion.expire(job));
    }

    private void deliver(Job job, GenerationParameters parameters, ModelDescription model, List<GeneratedImage> images,
            GenerationResult result, Instant start) {
        Instant encoding = Instant.now();
        List<byte[]> files = images.stream().map(image -> encode(job, parameters, model, image)).toList();
        Instant uploading = Instant.now();
        List<Completed.Image> stored = new ArrayList<>();
        for (int i = 0; i < files.size(); i++) {
            stored.add(upload(job.request(), i, images.get(i), files.get(i)));
        }
        Instant uploaded = Instant.now();

        Instant produced = job.source().produced();
        Duration queueWait = Duration.between(produced, start);
        Duration total = Duration.between(produced, uploaded);
        record("queue_wait", queueWait);
        record("image_encoding", Duration.between(encoding, uploading));
        record("upload", Duration.between(uploading, uploaded));
        record("total", total);
        trace(job.source(), result, start, encoding, uploading, uploaded);

        conclusion.complete(job, new Completed(
                job.request().requestId(),
                stored,
                parameters(job.request(), parameters, images),
                new Timings(
                        Timings.milliseconds(queueWait),
                        Timings.milliseconds(result.textEncoding()),
                        Timings.milliseconds(result.denoising()),
                        Timings.milliseconds(result.decoding()),
                        Timings.milliseconds(Duration.between(encoding, uploading)),
                        Timings.milliseconds(Duration.between(uploading, uploaded)),
                        Timings.milliseconds(total),
                        result.steps(),
                        result.batchSize()),
                result.memory().map(memory -> new Completed.Vram(memory.peakAllocated(), memory.peakReserved(),
                        memory.deviceUsed(), memory.deviceTotal())),
                new Completed.Model(model.bundle(), model.digest(), model.device(), model.engine(), result.compiled()),
                job.request().metadata()));
    }

    private byte[] encode(Job job, GenerationParameters parameters, ModelDescription model, GeneratedImage image) {
        GenerationRequest request = job.request();
        Map<String, String> others = new LinkedHashMap<>();
        others.put("Guidance cutoff", Double.toString(parameters.guidanceCutoff()));
        others.put("Decoder", parameters.decoder().label());
        others.put("Profile", request.profile());
        others.put("Request", request.requestId());
        return encoder.encode(format(request), image.width(), image.height(), image.rgb(), new ImageParameters(
                request.prompt(), request.negativePrompt(), parameters.steps(), parameters.scheduler().sampler(),
                parameters.guidanceScale(), image.seed(), image.width(), image.height(), model.digest(),
                model.bundle(), others));
    }

    private Completed.Image upload(GenerationRequest request, int index, GeneratedImage image, byte[] file) {
        ImageFormat format = format(request);
        StoredObject object = store.putIfAbsent(
                ObjectKeys.image(request.requestId(), index, format), file, format.contentType(),
                Map.of("request-id", request.requestId(), "seed", Long.toString(image.seed())));
        return new Completed.Image(object.bucket(), object.key(), object.uri(), object.etag(), object.sha256(),
                object.bytes(), image.width(), image.height(), image.seed());
    }

    private static Completed.Parameters parameters(GenerationRequest request, GenerationParameters parameters,
            List<GeneratedImage> images) {
        return new Completed.Parameters(request.prompt(), request.negativePrompt(), request.profile(),
                parameters.width(), parameters.height(), parameters.steps(), parameters.scheduler().label(),
                new Completed.Guidance(parameters.guidanceScale(), parameters.guidanceCutoff()),
                parameters.decoder().label(), request.resolvedSeed(), request.count(),
                new Completed.Output(request.format()),
                images.stream().anyMatch(GeneratedImage::promptTruncated));
    }

    private static ImageFormat format(GenerationRequest request) {
        return ImageFormat.valueOf(request.format().name());
    }

    /** The scheduler as AUTOMATIC1111's web interface names it, whose form of the text chunk other tools read. */
    private void record(String stage, Duration duration) {
        metrics.stage(stage, duration.isNegative() ? Duration.ZERO : duration);
    }

    private void trace(SourceRecord source, GenerationResult result, Instant start, Instant encoding,
            Instant uploading, Instant uploaded) {
        Instant denoising = start.plus(result.textEncoding());
        Instant decoding = denoising.plus(result.denoising());
        tracing.stage(source, "queue_wait", source.produced(), start);
        tracing.stage(source, "text_encoding", start, denoising);
        tracing.stage(source, "denoising", denoising, decoding);
        tracing.stage(source, "decoding", decoding, decoding.plus(result.decoding()));
        tracing.stage(source, "image_encoding", encoding, uploading);
        tracing.stage(source, "upload", uploading, uploaded);
    }

    private void inBackground(Job job, Runnable work) {
        threads.execute(() -> Persistence.untilStored(job.source(), () -> {
            try {
                work.run();
            } catch (StorageException e) {
                throw e;
            } catch (RuntimeException e) {
                LOG.errorf(e, "delivery=failed id=%s %s", job.request().requestId(), job.source());
                conclusion.fail(job, FailureReason.GENERATION_FAILED, Optional.empty(),
                        "The images could not be brought out: " + e.getMessage());
            }
        }));
    }

    @PreDestroy
    void close() {
        threads.shutdownNow();
    }
}
