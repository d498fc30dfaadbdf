package dev.darkroom.worker;

import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeException;
import dev.failsafe.RetryPolicy;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/**
 * Repeats what may pass, for as long as it takes, on the thread of the caller: what was generated is worth waiting for.
 * The pauses grow from a tenth of a second to two seconds, so that work goes on soon after an outage. Whatever is being
 * tried is known here, so that the worker can say what it waits for. Thread-safe.
 */
@ApplicationScoped
public class Retries {

    private static final Logger LOG = Logger.getLogger(Retries.class);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(2);
    /** One failure of so many is logged: an outage of an hour must not fill the log. */
    private static final int LOGGED_FAILURE = 20;

    private final Set<Attempt> attempts = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    private static final class Attempt {
        private final String what;
        private final Instant since = Instant.now();
        private volatile String reason = "there is no answer";
        private int failures;

        Attempt(String what) {
            this.what = what;
        }

        void failed(Throwable failure, boolean again) {
            reason = failure instanceof Failure told ? told.reason() : failure.getClass().getSimpleName();
            if (again && failures++ % LOGGED_FAILURE == 0) {
                LOG.warnf("retry=waiting what=\"%s\" failures=%d seconds=%d reason=\"%s\"", what, failures,
                        age().toSeconds(), failure.getMessage());
            }
        }

        Duration age() {
            return Duration.between(since, Instant.now());
        }
    }

    /** A failure that can say what was wrong to anybody: without addresses, and without secrets. */
    public interface Failure {

        /** What was wrong, in some words that can follow a colon. */
        String reason();
    }

    /**
     * Does the work until it succeeds, or fails in a way that does not pass.
     *
     * @param what what is done, in words that can follow "cannot", as {@code reach the store}
     * @param passes tells failures that may pass from those that stay, which are thrown
     * @throws CancellationException if the thread was interrupted, or the worker has ended
     */
    public <T> T untilDone(String what, Predicate<RuntimeException> passes, Supplier<T> work) {
        Attempt attempt = new Attempt(what);
        attempts.add(attempt);
        RetryPolicy<Object> policy = RetryPolicy.builder()
                .handleIf(failure -> failure instanceof RuntimeException runtime && passes.test(runtime))
                .abortIf((result, failure) -> failure != null && stopped())
                .withBackoff(FIRST_PAUSE, LONGEST_PAUSE)
                .withJitter(0.2)
                .withMaxAttempts(-1)
                .onFailedAttempt(event -> attempt.failed(event.getLastException(), !stopped()))
                .build();
        try {
            return Failsafe.with(policy).get(work::get);
        } catch (FailsafeException e) {
            // The pause was interrupted
            Thread.currentThread().interrupt();
            throw stopped(what);
        } catch (RuntimeException e) {
            throw stopped() && passes.test(e) ? stopped(what) : e;
        } finally {
            attempts.remove(attempt);
        }
    }

    private static CancellationException stopped(String what) {
        return new CancellationException("The worker stopped before it could " + what + ".");
    }

    private boolean stopped() {
        return closed || Thread.currentThread().isInterrupted();
    }

    /** What has been tried in vain for longest, a sentence; empty where nothing has been for that long. */
    public Optional<String> waitingLongerThan(Duration patience) {
        return attempts.stream()
                .filter(attempt -> attempt.age().compareTo(patience) > 0)
                .max(Comparator.comparing(Attempt::age))
                .map(attempt -> "The worker could not %s for %d s: %s.".formatted(
                        attempt.what, attempt.age().toSeconds(), attempt.reason));
    }

    /** From now on nothing is tried again. */
    @PreDestroy
    public void close() {
        closed = true;
    }
}
