package dev.darkroom.contract;

/**
 * A request is not wanted any more: the data of {@code dev.darkroom.image.cancelled.v1}.
 *
 * @param requestId identity of the request
 */
public record Cancellation(String requestId) {

    /** @throws IllegalArgumentException for an id that no request can have */
    public Cancellation {
        if (!Identity.REQUEST_ID.matcher(requestId).matches()) {
            throw new IllegalArgumentException("the request id is not " + Identity.REQUEST_ID_ALLOWED);
        }
    }
}
