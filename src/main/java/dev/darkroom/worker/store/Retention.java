package dev.darkroom.worker.store;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/**
 * After how long lifecycle rules of the bucket delete images. The worker deletes nothing.
 *
 * @param days from 1 to 3650; lifecycle rules know no less than a day
 */
public record Retention(int days) {

    /** What is said of a time that is none. */
    public static final String ALLOWED = "whole days from 1d to 3650d";

    private static final int LONGEST = 3650;

    /** @throws IllegalArgumentException for a time that no rule can have */
    public Retention {
        if (days < 1 || days > LONGEST) {
            throw new IllegalArgumentException("the store's retention is %dd; it must be %s".formatted(days, ALLOWED));
        }
    }

    /** @throws IllegalArgumentException for a time that no rule can have */
    public static Retention of(Duration time) {
        long days = time.toDays();
        if (!Duration.ofDays(days).equals(time) || days > LONGEST) {
            throw new IllegalArgumentException("the store's retention is %s; it must be %s".formatted(time, ALLOWED));
        }
        return new Retention((int) days);
    }

    /** From when on an image may be gone. Stores delete at the next midnight (UTC) or later. */
    public Instant expires(Instant stored) {
        return stored.truncatedTo(ChronoUnit.SECONDS).plus(days, ChronoUnit.DAYS);
    }
}
