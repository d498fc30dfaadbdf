package dev.darkroom.contract;

import dev.darkroom.digest.Sha256;
import java.time.Instant;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/**
 * A request as understood: valid against {@code image.requested.v1}, with the contract's defaults filled in. Whether
 * the model at hand offers what it asks for is not known here.
 *
 * @param requestId identity of the request, 1 to 64 of letters, digits, {@code .}, {@code _}, {@code -}
 * @param prompt what the images show
 * @param negativePrompt what they must not show; empty for nothing
 * @param promptSyntax how both are read: {@code plain} or {@code weighted}
 * @param profile name of the profile
 * @param overrides what the request sets instead of its profile
 * @param image picture that the images start from; empty if they start from noise
 * @param mask which parts of the picture are made anew; empty if all of it, or if there is none
 * @param seed the seed as requested; empty if it is to be derived, see {@link #resolvedSeed()}
 * @param count number of images, 1 to 8
 * @param format file format of the images
 * @param link for how long the outcome's links to the images are valid; empty for no links
 * @param deadline when the images stop being of use; empty for never
 * @param metadata the requester's own strings, echoed in the outcome, sorted by key
 */
public record GenerationRequest(
        String requestId,
        String prompt,
        String negativePrompt,
        String promptSyntax,
        String profile,
        Overrides overrides,
        Optional<InputImage> image,
        Optional<ObjectReference> mask,
        OptionalLong seed,
        int count,
        ImageFormat format,
        Optional<LinkValidity> link,
        Optional<Instant> deadline,
        Map<String, String> metadata) {

    /** The syntax of a request that names none. */
    public static final String DEFAULT_PROMPT_SYNTAX = "plain";

    /** The profile of a request that names none. */
    public static final String DEFAULT_PROFILE = "final";

    /**
     * Copies the metadata, so that a request never changes.
     *
     * @throws IllegalArgumentException if there is not at least one image to generate, or a mask without a picture
     */
    public GenerationRequest {
        if (count < 1) {
            throw new IllegalArgumentException("count must be at least 1, but is " + count);
        }
        if (mask.isPresent() && image.isEmpty()) {
            throw new IllegalArgumentException("mask needs image");
        }
        metadata = Collections.unmodifiableMap(new TreeMap<>(metadata));
    }

    /** A request whose images start from noise, and are not linked to. */
    public GenerationRequest(String requestId, String prompt, String negativePrompt, String promptSyntax, String profile,
            Overrides overrides, OptionalLong seed, int count, ImageFormat format, Optional<Instant> deadline,
            Map<String, String> metadata) {
        this(requestId, prompt, negativePrompt, promptSyntax, profile, overrides, Optional.empty(), Optional.empty(), seed,
                count, format, Optional.empty(), deadline, metadata);
    }

    /**
     * The seed of the first image. Without a seed in the request: the first 52 bits of the SHA-256 of the request id in
     * UTF-8, big-endian. So a replay gives the same image, and JSON readers whose only number is a double keep the seed
     * of every image exact.
     */
    public long resolvedSeed() {
        return seed.orElseGet(() -> Identity.seed(Sha256.hex(requestId)));
    }

    /** The seed of one of the images: they count up from {@link #resolvedSeed()}, and wrap where 64 bits end. */
    public long seedOf(int index) {
        return resolvedSeed() + index;
    }

    /** Which request it is. Computes two digests, those that all else follows from. */
    public Identity identity() {
        String idDigest = Sha256.hex(requestId);
        String canonical = RequestJson.canonical(this, seed.orElseGet(() -> Identity.seed(idDigest)));
        return new Identity(requestId, idDigest, Sha256.hex(canonical));
    }

    /** The request with its seed resolved. */
    public GenerationRequest seeded(Identity identity) {
        return seed.isPresent() ? this : new GenerationRequest(requestId, prompt, negativePrompt, promptSyntax,
                profile, overrides, image, mask, OptionalLong.of(Identity.seed(identity.idDigest())), count, format, link,
                deadline, metadata);
    }

    /** The request with links to its images, unless it asks for them by itself. */
    public GenerationRequest linked(LinkValidity validity) {
        return link.isPresent() ? this : new GenerationRequest(requestId, prompt, negativePrompt, promptSyntax, profile,
                overrides, image, mask, seed, count, format, Optional.of(validity), deadline, metadata);
    }

    /**
     * SHA-256, in lower-case hex, of the request as understood: equal for two records that ask for the same, however
     * they spell it (order of fields, white space, defaults given or left out). The deadline does not count, since it
     * says until when and not what. A link counts: an outcome without one would be no answer to who asks for it. A
     * request id that comes again with another digest was reused for something else.
     */
    public String digest() {
        return identity().digest();
    }
}
