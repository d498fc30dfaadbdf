package dev.darkroom.page;

/** What was asked of the page is not done, for a reason that a sentence tells. */
final class Refusal extends RuntimeException {

    private static final long serialVersionUID = 1;

    private final int status;
    private final String field;

    /**
     * @param status of HTTP
     * @param field the offending field of a request, as {@code guidance.scale}; empty where none is to blame
     */
    Refusal(int status, String field, String sentence) {
        super(sentence);
        this.status = status;
        this.field = field;
    }

    int status() {
        return status;
    }

    String field() {
        return field;
    }
}
