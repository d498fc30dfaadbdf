package dev.darkroom.worker.claim;

import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.Identity;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.Labelled;
import dev.darkroom.diffusion.PromptSyntax;
import dev.darkroom.diffusion.SourceImage;
import dev.darkroom.diffusion.UnsupportedParametersException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A request under way.
 *
 * @param claim the claim on the record that it came with
 * @param request with its seed resolved
 * @param identity which request it is
 * @param source the picture that its images start from, once it was fetched; empty if they start from noise
 * @param attempts how often a process ended while it generated this request; one that was tried before runs alone
 */
public record Job(Claim claim, GenerationRequest request, Identity identity, Optional<SourceImage> source, int attempts) {

    /** A request that nothing is known of yet. */
    public Job(Claim claim, GenerationRequest request) {
        this(claim, request, request.identity());
    }

    private Job(Claim claim, GenerationRequest request, Identity identity) {
        this(claim, request.seeded(identity), identity, Optional.empty(), 0);
    }

    /** The same request, attempted so often before. */
    public Job attempted(int times) {
        return new Job(claim, request, identity, source, times);
    }

    /** The same request, its picture fetched. */
    public Job startingFrom(SourceImage picture) {
        return new Job(claim, request, identity, Optional.of(picture), attempts);
    }

    /** Whether the request is under suspicion of ending the process. */
    public boolean suspect() {
        return attempts > 0;
    }

    public int images() {
        return request.count();
    }

    /**
     * The request's images, seeds counting up.
     *
     * @throws UnsupportedParametersException if its prompts have weights that are not on offer
     */
    public List<ImagePrompt> prompts() {
        PromptSyntax syntax = Labelled.find(PromptSyntax.class, request.promptSyntax()).orElseThrow();
        return IntStream.range(0, request.count())
                .mapToObj(index -> new ImagePrompt(
                        request.prompt(), request.negativePrompt(), syntax, source, request.seedOf(index)))
                .toList();
    }

    public boolean expired() {
        return request.deadline().filter(deadline -> deadline.isBefore(Instant.now())).isPresent();
    }
}
