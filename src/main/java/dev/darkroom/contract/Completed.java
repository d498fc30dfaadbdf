package dev.darkroom.contract;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.darkroom.digest.Sha256;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * The images are in the object store: the data of {@code dev.darkroom.image.completed.v1}.
 *
 * @param requestId identity of the request
 * @param images those that are stored, in the order of their seeds; at least one
 * @param withheld those that are not, in the same order; left out if there is none
 * @param parameters what the images were generated with, nothing left to defaults
 * @param timings where the time went
 * @param vram the device's memory; empty on a CPU
 * @param model what generated the images
 * @param provenance what the files say of how they came about; empty where they are not marked
 * @param metadata the request's own strings, sorted by key
 */
public record Completed(
        String requestId,
        List<Image> images,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Withheld> withheld,
        Parameters parameters,
        Timings timings,
        Optional<Vram> vram,
        Model model,
        Optional<Provenance> provenance,
        Map<String, String> metadata) implements Outcome {

    public Completed {
        images = List.copyOf(images);
        withheld = withheld == null ? List.of() : List.copyOf(withheld);
        metadata = metadata == null ? Map.of() : Collections.unmodifiableMap(new TreeMap<>(metadata));
    }

    @Override
    public String outcome() {
        return EventType.COMPLETED.label();
    }

    /**
     * One stored image.
     *
     * @param bucket its bucket
     * @param key its key
     * @param uri its address, as {@code s3://bucket/key}
     * @param etag the store's entity tag, without quotes
     * @param sha256 SHA-256 of the file, lower-case hex
     * @param bytes length of the file
     * @param width in pixels
     * @param height in pixels
     * @param seed the seed that its noise was drawn from
     * @param safety what the safety checker says of it; empty where it was not asked
     * @param expires from when on the store may delete it; empty where the worker was not told
     * @param link an address that needs no credentials; empty unless the request asks for one
     */
    public record Image(String bucket, String key, String uri, String etag, String sha256, long bytes, int width,
            int height, long seed, Optional<Safety> safety, Optional<Instant> expires, Optional<Link> link) {
    }

    /**
     * An address under which whoever has it may get an image.
     *
     * @param url presigned, for GET
     * @param expires when it ends, at the latest
     */
    public record Link(URI url, Instant expires) {
    }

    /**
     * The parameters as resolved from request, profile and bundle. The fields have the names and places that they have
     * in a request, so that sending them again gives the same images.
     *
     * @param prompt what the images show
     * @param negativePrompt what they must not show; empty for nothing
     * @param promptSyntax how both were read
     * @param profile name of the profile
     * @param width in pixels
     * @param height in pixels
     * @param steps number of inference steps
     * @param scheduler name of the scheduler
     * @param guidance classifier-free guidance
     * @param decoder name of the decoder
     * @param adapters what was added to the weights, those that the profile adds among it; left out if there is none
     * @param image picture that the images started from; empty if they started from noise
     * @param mask which parts of it were made anew; empty if all, or if there was none
     * @param seed seed of the first image
     * @param count number of images
     * @param output the files
     * @param promptTruncated whether a prompt was longer than what is read and was cut
     * @param promptTokens tokens that were read of each prompt, with start, end and padding; empty in events from before there
     *     were longer prompts
     */
    public record Parameters(String prompt, String negativePrompt, String promptSyntax, String profile, int width,
            int height, int steps, String scheduler, Guidance guidance, String decoder,
            @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Adapter> adapters, Optional<InputImage> image,
            Optional<ObjectReference> mask, long seed, int count, Output output, boolean promptTruncated,
            OptionalInt promptTokens) {

        /** The same, of images that started from a request's picture. */
        public Parameters startedFrom(Optional<InputImage> picture, Optional<ObjectReference> maskOfIt) {
            return new Parameters(prompt, negativePrompt, promptSyntax, profile, width, height, steps, scheduler, guidance,
                    decoder, adapters, picture, maskOfIt, seed, count, output, promptTruncated, promptTokens);
        }

        public Parameters {
            adapters = adapters == null ? List.of() : List.copyOf(adapters);
        }
    }

    /**
     * Classifier-free guidance.
     *
     * @param scale the guidance scale
     * @param cutoff fraction of the steps after which the unconditional branch is dropped; 1 never drops it
     */
    public record Guidance(double scale, double cutoff) {
    }

    /**
     * The files.
     *
     * @param format their format
     */
    public record Output(ImageFormat format) {
    }

    /**
     * Durations in milliseconds. Those of a stage are the batch's, which the images of a batch share.
     *
     * @param queueWait from the record's timestamp to the start of its batch
     * @param adapterSwitch changing the weights for the batch's adapters; empty if they were as the batch before left them
     * @param textEncoding from the first token to the embeddings
     * @param sourceEncoding from pictures to the latents that the images start from; empty if they start from noise
     * @param denoising the denoising loop
     * @param decoding from latents to pixels in host memory
     * @param safetyCheck the safety checker on the pixels; empty where it was not asked
     * @param imageEncoding from pixels to the last of the request's files
     * @param upload until the object store has acknowledged the last file
     * @param total from the record's timestamp until now
     * @param steps inference steps that ran
     * @param batchSize images that ran side by side
     */
    public record Timings(double queueWait, OptionalDouble adapterSwitch, double textEncoding,
            OptionalDouble sourceEncoding, double denoising, double decoding, OptionalDouble safetyCheck,
            double imageEncoding, double upload, double total, int steps, int batchSize) {

        /** The same, now that the files are stored. */
        public Timings stored(Duration upload, Duration total) {
            return new Timings(queueWait, adapterSwitch, textEncoding, sourceEncoding, denoising, decoding, safetyCheck,
                    imageEncoding, milliseconds(upload), milliseconds(total), steps, batchSize);
        }

        /** Milliseconds, to the microsecond; a negative duration, as clocks that differ make it, is none. */
        public static double milliseconds(Duration duration) {
            return Math.max(0, duration.toNanos() / 1_000) / 1_000.0;
        }
    }

    /**
     * The device's memory during the batch, in bytes.
     *
     * @param peakAllocated most that live tensors took, as the caching allocator counts it
     * @param peakReserved most that the caching allocator held
     * @param deviceUsed in use on the whole device when the batch ended, other processes included
     * @param deviceTotal all that the device has
     */
    public record Vram(long peakAllocated, long peakReserved, long deviceUsed, long deviceTotal) {
    }

    /**
     * What generated the images.
     *
     * @param bundle name of the model bundle
     * @param digest SHA-256 of the bundle's manifest, lower-case hex
     * @param device the device in words
     * @param engine engine and version
     * @param compiled whether compiled packages ran; false where the modules ran uncompiled
     */
    public record Model(String bundle, String digest, String device, String engine, boolean compiled) {
    }

    /**
     * How the images came about, as each of their files says in XMP.
     *
     * @param digitalSourceType {@code Iptc4xmpExt:DigitalSourceType}, a term of IPTC's Digital Source Type NewsCodes
     * @param creatorTool {@code xmp:CreatorTool}
     * @param promptSha256 SHA-256 of the prompt in UTF-8, lower-case hex, so that a prompt can be shown to be the one
     */
    public record Provenance(String digitalSourceType, String creatorTool, String promptSha256) {

        /** Created by a model that was trained on sampled content. */
        private static final String TRAINED_ALGORITHMIC_MEDIA =
                "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

        /** What was there is edited by such a model, as with inpainting. */
        private static final String COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA =
                "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";

        /**
         * The provenance of what Darkroom generates from a prompt.
         *
         * @param edited whether it started from a picture
         */
        public static Provenance ofPrompt(String prompt, boolean edited) {
            return new Provenance(edited ? COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA : TRAINED_ALGORITHMIC_MEDIA, "Darkroom",
                    Sha256.hex(prompt));
        }
    }
}
