package dev.darkroom.worker.ops;

import dev.darkroom.worker.WorkerThreads;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jboss.logging.Logger;

/**
 * Looks at something again and again on a thread of its own, so that whoever asks how it is gets an answer at once, also
 * while looking takes long.
 */
final class Watch implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(Watch.class);

    /** Pause before the next look while something is wrong: what is mended is to be seen soon. */
    private static final int SOON_MS = 500;

    private final String what;
    private final Duration patience;
    private final Duration interval;
    private final Look look;
    private final ScheduledExecutorService thread;
    private final Instant start = Instant.now();
    private volatile Instant answered;
    private volatile Optional<String> trouble = Optional.empty();
    /** Whether it was told that there is no answer. The thread's own. */
    private boolean silenceTold;

    /** A look at what is watched. */
    interface Look {

        /**
         * What is wrong, a sentence; empty if nothing is.
         *
         * @throws RuntimeException if there was no answer, which is put up with for a while
         */
        Optional<String> trouble();
    }

    /**
     * @param what what is watched, as the subject of a sentence
     * @param interval pause between two looks while nothing is wrong
     * @param patience how long there may be no answer
     */
    Watch(String what, Duration interval, Duration patience, Look look) {
        this.what = what;
        this.patience = patience;
        this.look = look;
        thread = Executors.newSingleThreadScheduledExecutor(WorkerThreads.named("watch"));
        this.interval = interval;
        thread.execute(this::look);
    }

    private void look() {
        boolean fine = false;
        try {
            Optional<String> seen = look.trouble();
            seen.filter(sentence -> !Optional.of(sentence).equals(trouble))
                    .ifPresent(sentence -> LOG.warnf("watch=trouble reason=\"%s\"", sentence));
            trouble = seen;
            answered = Instant.now();
            fine = seen.isEmpty();
            if (silenceTold) {
                silenceTold = false;
                LOG.infof("watch=answered what=\"%s\"", what);
            }
        } catch (RuntimeException e) {
            LOG.debugf(e, "watch=unanswered what=\"%s\"", what);
            if (!silenceTold && silentSince().plus(patience).isBefore(Instant.now())) {
                silenceTold = true;
                LOG.warnf("watch=trouble reason=\"%s\"", trouble().orElseThrow());
            }
        } finally {
            if (!thread.isShutdown()) {
                thread.schedule(this::look, fine ? interval.toMillis() : SOON_MS, TimeUnit.MILLISECONDS);
            }
        }
    }

    /** What is wrong, a sentence; empty if nothing is. Answers at once. */
    Optional<String> trouble() {
        Instant last = answered;
        if (last == null) {
            return Optional.of("%s has not answered for %d s, since the start.".formatted(what, seconds(start)));
        }
        return last.plus(patience).isBefore(Instant.now())
                ? Optional.of("%s has not answered for %d s.".formatted(what, seconds(last)))
                : trouble;
    }

    private Instant silentSince() {
        Instant last = answered;
        return last == null ? start : last;
    }

    private static long seconds(Instant since) {
        return Duration.between(since, Instant.now()).toSeconds();
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
