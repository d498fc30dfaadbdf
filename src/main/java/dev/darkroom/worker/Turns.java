package dev.darkroom.worker;

import jakarta.enterprise.context.ApplicationScoped;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;

/** Lets those that share a key take turns, one at a time, in the order in which they came. Thread-safe. */
@ApplicationScoped
class Turns {

    /** By key: whose turn has come, and who waits behind it. */
    private final Map<String, Queue<Runnable>> waiting = new HashMap<>();

    /** Runs the turn at once, or as soon as those before it have ended. Each turn must end in {@link #end}. */
    void take(String key, Runnable turn) {
        synchronized (this) {
            Queue<Runnable> behind = waiting.get(key);
            if (behind != null) {
                behind.add(turn);
                return;
            }
            waiting.put(key, new ArrayDeque<>());
        }
        turn.run();
    }

    /** Ends a turn and runs the next. */
    void end(String key) {
        Runnable next;
        synchronized (this) {
            next = waiting.get(key).poll();
            if (next == null) {
                waiting.remove(key);
            }
        }
        if (next != null) {
            next.run();
        }
    }
}
