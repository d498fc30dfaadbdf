package dev.darkroom.diffusion;

/** The model bundle at hand does not offer what the parameters ask for. */
public class UnsupportedParametersException extends GenerationException {

    private final String field;

    /**
     * @param field the request's field, as {@code width}
     * @param message what was asked for and what is on offer, a sentence
     */
    public UnsupportedParametersException(String field, String message) {
        super(message, null);
        this.field = field;
    }

    /** The request's field that cannot be honoured. */
    public String field() {
        return field;
    }
}
