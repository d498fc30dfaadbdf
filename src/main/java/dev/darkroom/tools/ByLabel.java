package dev.darkroom.tools;

import dev.darkroom.diffusion.Labelled;
import java.util.Arrays;
import java.util.Iterator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads and lists the constants of an enum by the names that requests use. */
abstract class ByLabel<E extends Enum<E> & Labelled> implements ITypeConverter<E>, Iterable<String> {

    private final String what;
    private final Class<E> type;

    ByLabel(String what, Class<E> type) {
        this.what = what;
        this.type = type;
    }

    @Override
    public E convert(String value) {
        return Labelled.find(type, value).orElseThrow(() -> new TypeConversionException(
                "there is no %s '%s'; there are %s".formatted(what, value, Labelled.all(type))));
    }

    @Override
    public Iterator<String> iterator() {
        return Arrays.stream(type.getEnumConstants()).map(Labelled::label).iterator();
    }
}
