package dev.darkroom.contract;

/**
 * Why a request failed: a closed list. New reasons need a new version of the event, but for one that only those get who use
 * what brings it.
 */
public enum FailureReason {
    /** The request breaks its schema. A retry fails again until the request is corrected. */
    INVALID_REQUEST(false),
    /** The request is valid, but the model at hand does not offer what it asks for, such as a size. */
    UNSUPPORTED_PARAMETERS(false),
    /** An earlier request with the same id asked for something else. Send it under an id of its own. */
    REQUEST_ID_REUSED(false),
    /** The deadline passed before the images were generated. Sent again with the same deadline, it expires again. */
    EXPIRED(false),
    /** The picture or the mask that it names is not there, is not the one that it says, or cannot be read. */
    INVALID_INPUT(false),
    /** The device's memory did not suffice even for a single image. It may on another worker, or when others leave. */
    OUT_OF_MEMORY(true),
    /** The pipeline failed on this request. */
    GENERATION_FAILED(true),
    /** The worker died on this request each time that it was tried. */
    TOO_MANY_ATTEMPTS(false),
    /** It was cancelled before its images were stored. Whoever did so does not want it tried again. */
    CANCELLED(false),
    /** The safety checker flagged all of its images. The same request has the same images, and another seed has others. */
    WITHHELD(false);

    private final boolean retryable;

    FailureReason(boolean retryable) {
        this.retryable = retryable;
    }

    /** Whether the same request, sent again under a new id, may succeed. */
    public boolean retryable() {
        return retryable;
    }
}
