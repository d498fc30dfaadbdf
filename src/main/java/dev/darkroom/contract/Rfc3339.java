package dev.darkroom.contract;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Date and time as RFC 3339 writes them, all but leap seconds. Java's own formatter refuses more than nine digits of a
 * fraction and offsets of more than 18 hours, others the offset {@code -00:00}.
 */
final class Rfc3339 {

    private static final Pattern FORM = Pattern.compile("(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]"
            + "(?<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?<fraction>\\.[0-9]+)?"
            + "(?:[Zz]|(?<sign>[+-])(?<hours>[01][0-9]|2[0-3]):(?<minutes>[0-5][0-9]))");

    /** Length of a fraction of nine digits, with its point. */
    private static final int NANOSECONDS = 10;

    private Rfc3339() {
    }

    /**
     * The moment that a text names, cut to nanoseconds.
     *
     * @throws DateTimeException if it names none
     */
    static Instant parse(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw new DateTimeException("not a date and time of RFC 3339");
        }
        String fraction = form.group("fraction") == null ? "" : form.group("fraction");
        Instant local = LocalDateTime.parse(form.group("date") + "T" + form.group("time")
                + fraction.substring(0, Math.min(fraction.length(), NANOSECONDS))).toInstant(ZoneOffset.UTC);
        if (form.group("sign") == null) {
            return local;
        }
        Duration offset = Duration.ofHours(Long.parseLong(form.group("hours")))
                .plusMinutes(Long.parseLong(form.group("minutes")));
        return form.group("sign").equals("+") ? local.minus(offset) : local.plus(offset);
    }
}
