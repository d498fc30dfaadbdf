package dev.darkroom.tools;

import java.util.Arrays;
import java.util.Iterator;
import java.util.function.Function;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads and lists the constants of an enum by the names that requests use. */
abstract class ByLabel<E extends Enum<E>> implements ITypeConverter<E>, Iterable<String> {

    private final String what;
    private final E[] constants;
    private final Function<E, String> label;

    ByLabel(String what, E[] constants, Function<E, String> label) {
        this.what = what;
        this.constants = constants;
        this.label = label;
    }

    @Override
    public E convert(String value) {
        return Arrays.stream(constants)
                .filter(constant -> label.apply(constant).equals(value))
                .findFirst()
                .orElseThrow(() -> new TypeConversionException("there is no %s '%s'; there are %s".formatted(
                        what, value, String.join(", ", this))));
    }

    @Override
    public Iterator<String> iterator() {
        return Arrays.stream(constants).map(label).iterator();
    }
}
