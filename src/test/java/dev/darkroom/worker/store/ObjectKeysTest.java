package dev.darkroom.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.contract.Identity;
import dev.darkroom.contract.ImageFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ObjectKeysTest {

    private static final String DIGEST = "0123456789abcdef".repeat(4);

    /** {@code printf %s order-4711 | sha256sum} starts with 17. */
    @Test
    void keysAreAFunctionOfTheRequest() {
        assertThat(ObjectKeys.image(identity("order-4711"), 0, ImageFormat.PNG))
                .isEqualTo("images/17/order-4711-" + DIGEST + "-0.png");
        assertThat(ObjectKeys.image(identity("order-4711"), 7, ImageFormat.JPEG))
                .isEqualTo("images/17/order-4711-" + DIGEST + "-7.jpg");
        assertThat(ObjectKeys.image(identity("order-4711"), 1, ImageFormat.WEBP))
                .isEqualTo("images/17/order-4711-" + DIGEST + "-1.webp");
        assertThat(ObjectKeys.outcome(identity("order-4711"))).isEqualTo("outcomes/17/order-4711.json");
        assertThat(ObjectKeys.attempt(identity("order-4711"), 1)).isEqualTo("attempts/17/order-4711-" + DIGEST + "-1");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "../../etc/passwd", "a/b", "a b", "ä", "a\n"})
    void idsThatCouldLeaveTheirPrefixAreRefused(String requestId) {
        assertThatThrownBy(() -> identity(requestId))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("request id is not 1 to 64 of");
    }

    /** Dots alone are within the contract; with what is put behind them they are file names, not directories. */
    @Test
    void dotsAloneAreNoPath() {
        assertThat(ObjectKeys.image(identity(".."), 0, ImageFormat.PNG)).endsWith("/..-" + DIGEST + "-0.png");
        assertThat(ObjectKeys.outcome(identity(".."))).endsWith("/...json");
    }

    private static Identity identity(String requestId) {
        return new Identity(requestId, DIGEST);
    }
}
