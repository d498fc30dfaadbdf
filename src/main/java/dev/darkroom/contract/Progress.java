package dev.darkroom.contract;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;

/**
 * A sign of life of a request in flight: the data of {@code dev.darkroom.image.progress.v1}.
 *
 * @param requestId identity of the request
 * @param state what is being done
 * @param step denoising steps that are done; 0 when the request has just started
 * @param total denoising steps in all
 */
public record Progress(String requestId, State state, int step, int total) {

    /** What is being done. */
    public enum State {
        /** The batch of the request was handed to the generator. */
        STARTED,
        /** At least one denoising step is done. */
        DENOISING;

        /** The name in events. */
        @JsonValue
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The first sign of life. */
    public static Progress started(String requestId, int total) {
        return new Progress(requestId, State.STARTED, 0, total);
    }

    /** The given number of steps is done. */
    public static Progress denoising(String requestId, int step, int total) {
        return new Progress(requestId, State.DENOISING, step, total);
    }
}
