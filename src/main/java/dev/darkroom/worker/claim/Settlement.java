package dev.darkroom.worker.claim;

import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.Outcome;

/**
 * How a request was settled, for logs, metrics and traces.
 *
 * @param outcome {@code completed}, {@code failed} or {@code replayed}
 * @param reason why it failed; empty otherwise
 */
public record Settlement(String outcome, String reason) {

    /** The outcome was there before, and was published again. */
    public static final Settlement REPLAYED = new Settlement("replayed", "");

    /** The outcome was published for the first time. */
    public static Settlement of(Outcome outcome) {
        if (outcome instanceof Failed failed) {
            return new Settlement("failed", failed.reason().name());
        }
        return new Settlement(outcome instanceof Completed ? "completed" : "", "");
    }
}
