package dev.darkroom.worker.claim;

import dev.darkroom.worker.DarkroomConfig;
import java.util.Locale;

/** The ways on which requests come, each a topic with a consumer of its own, in the same group. */
public enum Lane {
    ORDINARY("requests"),
    /** Goes first, but not always. */
    EXPRESS("express");

    private final String channel;

    Lane(String channel) {
        this.channel = channel;
    }

    /** Name of its channel in SmallRye's configuration. */
    public String channel() {
        return channel;
    }

    /** The topic that its requests come from. */
    public String topic(DarkroomConfig.Topics topics) {
        return this == EXPRESS ? topics.express() : topics.requests();
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
