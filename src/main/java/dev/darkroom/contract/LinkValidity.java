package dev.darkroom.contract;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * For how long links to images are valid.
 *
 * @param hours from 1 to 168, which are the seven days that S3 allows
 */
public record LinkValidity(int hours) {

    /** What is said of a text that is none. */
    public static final String ALLOWED = "a time from 1h to 168h, or from 1d to 7d";

    private static final int HOURS_OF_A_DAY = 24;
    private static final int LONGEST = 7 * HOURS_OF_A_DAY;
    /** Longest part of another text that is repeated, in characters. */
    private static final int LONGEST_SHOWN = 20;
    private static final Pattern TEXT = Pattern.compile("([1-9][0-9]{0,2})([hd])");

    /** @throws IllegalArgumentException for a time that is too short or too long */
    public LinkValidity {
        if (hours < 1 || hours > LONGEST) {
            throw new IllegalArgumentException("a link's validity must be " + ALLOWED + ", but is " + hours + "h");
        }
    }

    /**
     * Reads {@code 24h} or {@code 7d}.
     *
     * @throws IllegalArgumentException with a sentence that says what is allowed
     */
    public static LinkValidity parse(String text) {
        Matcher form = TEXT.matcher(text);
        if (!form.matches()) {
            throw new IllegalArgumentException("a link's validity must be %s, but is '%s'".formatted(
                    ALLOWED, Printable.of(text, LONGEST_SHOWN)));
        }
        int number = Integer.parseInt(form.group(1));
        return new LinkValidity(form.group(2).equals("h") ? number : number * HOURS_OF_A_DAY);
    }

    public Duration duration() {
        return Duration.ofHours(hours);
    }

    /** In hours, so that {@code 1d} and {@code 24h} are one. */
    @Override
    public String toString() {
        return hours + "h";
    }
}
