package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TurnsTest {

    private final Turns turns = new Turns();
    private final List<String> had = new ArrayList<>();

    @Test
    void thoseWithTheSameKeyTakeTurnsInOrder() {
        turns.take("a", () -> had.add("first"));
        turns.take("a", () -> had.add("second"));
        turns.take("a", () -> had.add("third"));
        assertThat(had).containsExactly("first");

        turns.end("a");
        assertThat(had).containsExactly("first", "second");
        turns.end("a");
        assertThat(had).containsExactly("first", "second", "third");
    }

    @Test
    void othersDoNotWait() {
        turns.take("a", () -> had.add("a"));
        turns.take("b", () -> had.add("b"));
        assertThat(had).containsExactly("a", "b");
    }

    @Test
    void aKeyIsFreeAgainOnceAllTurnsHaveEnded() {
        turns.take("a", () -> had.add("first"));
        turns.end("a");
        turns.take("a", () -> had.add("second"));
        assertThat(had).containsExactly("first", "second");
    }
}
