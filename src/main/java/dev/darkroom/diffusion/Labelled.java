package dev.darkroom.diffusion;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/** What requests and bundles call by a name that is not Java's. For enums. */
public interface Labelled {

    /** The name in requests, events and bundles. */
    String label();

    /** The constant of this name; empty if there is none. */
    static <E extends Enum<E> & Labelled> Optional<E> find(Class<E> type, String label) {
        return Arrays.stream(type.getEnumConstants()).filter(constant -> constant.label().equals(label)).findFirst();
    }

    /** All names, separated by commas, for messages that say what is allowed. */
    static <E extends Enum<E> & Labelled> String all(Class<E> type) {
        return Arrays.stream(type.getEnumConstants()).map(Labelled::label).collect(Collectors.joining(", "));
    }
}
