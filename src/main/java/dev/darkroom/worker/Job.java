package dev.darkroom.worker;

import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.diffusion.ImagePrompt;
import java.time.Instant;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A request under way.
 *
 * @param source the record that it came with
 * @param suspect whether a process ended while it generated this request; such a request runs alone
 */
record Job(SourceRecord source, GenerationRequest request, boolean suspect) {

    int images() {
        return request.count();
    }

    /** The request's images, seeds counting up. */
    List<ImagePrompt> prompts() {
        return IntStream.range(0, request.count())
                .mapToObj(index -> new ImagePrompt(request.prompt(), request.negativePrompt(), request.seedOf(index)))
                .toList();
    }

    boolean expired() {
        return request.deadline().filter(deadline -> deadline.isBefore(Instant.now())).isPresent();
    }
}
