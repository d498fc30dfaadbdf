package dev.darkroom.contract;

/** What others wrote, made fit for a message: nothing in it breaks a line, a log, a terminal or an encoder. */
public final class Printable {

    private Printable() {
    }

    /** The beginning of a text, at most {@code limit} characters and an ellipsis, with a mark for each that cannot be shown. */
    public static String of(String text, int limit) {
        StringBuilder shown = new StringBuilder();
        text.codePoints().limit(limit)
                .map(character -> switch (Character.getType(character)) {
                    case Character.CONTROL, Character.FORMAT, Character.SURROGATE, Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR -> 0xFFFD;
                    default -> character;
                })
                .forEach(shown::appendCodePoint);
        return text.codePointCount(0, text.length()) > limit ? shown + "…" : shown.toString();
    }
}
