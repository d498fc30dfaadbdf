package dev.darkroom.worker;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** Settings of Kafka's clients, from those that the configuration has for all of them, {@code kafka.*}. */
public final class KafkaSettings {

    private KafkaSettings() {
    }

    /** Those that a kind of client knows, in a map that may be changed. */
    public static Map<String, Object> among(Set<String> known, Map<String, Object> kafka) {
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.keySet().retainAll(known);
        return settings;
    }
}
