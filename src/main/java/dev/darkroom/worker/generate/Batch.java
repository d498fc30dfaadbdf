package dev.darkroom.worker.generate;

import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.worker.claim.Job;
import java.util.List;

/**
 * Jobs that are generated together.
 *
 * @param parameters what they have in common
 * @param jobs those of the lane that leads first, oldest first
 */
record Batch(GenerationParameters parameters, List<Job> jobs) {

    /** The images of all jobs, in the order of the jobs. */
    List<ImagePrompt> prompts() {
        return jobs.stream().flatMap(job -> job.prompts().stream()).toList();
    }

    boolean isEmpty() {
        return jobs.isEmpty();
    }
}
