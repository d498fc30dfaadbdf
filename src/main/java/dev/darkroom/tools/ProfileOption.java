package dev.darkroom.tools;

import dev.darkroom.diffusion.Profile;
import java.util.Iterator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads and lists profiles by the names that requests use. */
public final class ProfileOption implements ITypeConverter<Profile>, Iterable<String> {

    @Override
    public Profile convert(String value) {
        return Profile.labelled(value).orElseThrow(() -> new TypeConversionException(
                "there is no profile '%s'; there are %s".formatted(value, Profile.labels())));
    }

    @Override
    public Iterator<String> iterator() {
        return Profile.all().stream().map(Profile::label).iterator();
    }
}
