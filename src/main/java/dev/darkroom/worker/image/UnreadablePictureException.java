package dev.darkroom.worker.image;

/** A picture that images cannot start from. */
public final class UnreadablePictureException extends Exception {

    private final String field;

    /**
     * @param field the request's field: {@code image} or {@code mask}
     * @param message what is wrong with it and what is allowed, a sentence that begins with the field
     */
    UnreadablePictureException(String field, String message) {
        super(message);
        this.field = field;
    }

    /** The request's field: {@code image} or {@code mask}. */
    public String field() {
        return field;
    }
}
