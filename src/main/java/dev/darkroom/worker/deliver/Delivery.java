package dev.darkroom.worker.deliver;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Completed.Timings;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ImageFormat;
import dev.darkroom.diffusion.GeneratedImage;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.GenerationResult;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.Tracing;
import dev.darkroom.worker.WorkerMetrics;
import dev.darkroom.worker.WorkerThreads;
import dev.darkroom.worker.claim.Claim;
import dev.darkroom.worker.claim.Job;
import dev.darkroom.worker.image.ImageEncoder;
import dev.darkroom.worker.outcome.Outcomes;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.StoredObject;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.IntStream;

/**
 * Takes images to the store and their requests to an outcome: encodes, uploads, publishes, on threads of its own so that
 * the generator never waits. What waits here is bounded by the number of claims.
 */
@ApplicationScoped
public class Delivery {

    private final ImageStore store;
    private final Outcomes outcomes;
    private final WorkerMetrics metrics;
    private final Tracing tracing;
    private final boolean marked;
    private final ImageEncoder encoder = new ImageEncoder();
    private final ExecutorService threads;

    Delivery(DarkroomConfig config, ImageStore store, Outcomes outcomes, WorkerMetrics metrics, Tracing tracing) {
        this.store = store;
        this.outcomes = outcomes;
        this.metrics = metrics;
        this.tracing = tracing;
        this.marked = config.provenance().enabled();
        this.threads = Executors.newFixedThreadPool(config.flow().deliveryThreads(), WorkerThreads.named("delivery"));
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

    private void complete(Job job, GenerationParameters parameters, ModelDescription model, List<GeneratedImage> images,
            GenerationResult result, Instant start) {
        GenerationRequest request = job.request();
        Provenance provenance = new Provenance(request.profile(), parameters, model, marked);
        Instant encoding = Instant.now();
        List<ImagePrompt> prompts = job.prompts();
        List<byte[]> files = IntStream.range(0, images.size())
                .mapToObj(i -> encode(request, provenance, prompts.get(i), images.get(i))).toList();
        Instant uploading = Instant.now();
        List<Completed.Image> stored = new ArrayList<>();
        for (int i = 0; i < files.size(); i++) {
            stored.add(upload(job, i, images.get(i), files.get(i)));
        }
        Instant uploaded = Instant.now();

        Instant produced = job.claim().produced();
        Duration queueWait = Duration.between(produced, start);
        Duration total = Duration.between(produced, uploaded);
        record("queue_wait", queueWait);
        record("image_encoding", Duration.between(encoding, uploading));
        record("upload", Duration.between(uploading, uploaded));
        record("total", total);
        trace(job.claim(), result, start, encoding, uploading, uploaded);

        outcomes.complete(job, new Completed(
                request.requestId(),
                stored,
                provenance.parameters(prompts.get(0), request.count(), request.format(),
                        images.stream().anyMatch(GeneratedImage::promptTruncated)),
                new Timings(
                        Timings.milliseconds(queueWait),
                        Provenance.adapterSwitch(result),
                        Timings.milliseconds(result.textEncoding()),
                        Timings.milliseconds(result.denoising()),
                        Timings.milliseconds(result.decoding()),
                        Timings.milliseconds(Duration.between(encoding, uploading)),
                        Timings.milliseconds(Duration.between(uploading, uploaded)),
                        Timings.milliseconds(total),
                        result.steps(),
                        result.batchSize()),
                Provenance.vram(result),
                provenance.model(result),
                provenance.mark(request.prompt()),
                request.metadata()));
    }

    private byte[] encode(GenerationRequest request, Provenance provenance, ImagePrompt prompt, GeneratedImage image) {
        return encoder.encode(request.format(), image.width(), image.height(), image.rgb(),
                provenance.image(prompt, Map.of("Request", request.requestId())),
                provenance.mark(request.prompt()));
    }

    private Completed.Image upload(Job job, int index, GeneratedImage image, byte[] file) {
        GenerationRequest request = job.request();
        ImageFormat format = request.format();
        StoredObject object = store.putIfAbsent(
                ObjectKeys.image(job.identity(), index, format), file, format.contentType(),
                Map.of("request-id", request.requestId(), "seed", Long.toString(image.seed())));
        return new Completed.Image(object.bucket(), object.key(), object.uri(), object.etag(), object.sha256(),
                object.bytes(), image.width(), image.height(), image.seed());
    }

    private void record(String stage, Duration duration) {
        metrics.stage(stage, duration.isNegative() ? Duration.ZERO : duration);
    }

    private void trace(Claim claim, GenerationResult result, Instant start, Instant encoding,
            Instant uploading, Instant uploaded) {
        Instant encodingText = start.plus(result.adapterSwitch().orElse(Duration.ZERO));
        Instant denoising = encodingText.plus(result.textEncoding());
        Instant decoding = denoising.plus(result.denoising());
        tracing.stage(claim.span(), "queue_wait", claim.produced(), start);
        if (result.adapterSwitch().isPresent()) {
            tracing.stage(claim.span(), "adapter_switch", start, encodingText);
        }
        tracing.stage(claim.span(), "text_encoding", encodingText, denoising);
        tracing.stage(claim.span(), "denoising", denoising, decoding);
        tracing.stage(claim.span(), "decoding", decoding, decoding.plus(result.decoding()));
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
