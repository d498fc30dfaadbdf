package dev.darkroom.worker;

import io.quarkus.runtime.configuration.DurationConverter;
import io.smallrye.config.ConfigSourceInterceptor;
import io.smallrye.config.ConfigSourceInterceptorContext;
import io.smallrye.config.ConfigValue;
import io.smallrye.config.Priorities;
import io.smallrye.config.WithConverter;
import jakarta.annotation.Priority;
import jakarta.validation.constraints.DecimalMin;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.hibernate.validator.constraints.time.DurationMin;

/**
 * Refuses what is not of its setting's type, and says which setting it is, what was wrong and what is allowed. SmallRye's own
 * words for it are about converters, and a mistyped {@code true} is {@code false} to it. What constraints say comes after.
 */
@Priority(Priorities.APPLICATION + 500)
public final class SettingTypes implements ConfigSourceInterceptor {

    private static final long serialVersionUID = 1;

    private static final Map<String, Method> SETTINGS = Settings.all();
    /** The words of English among those that SmallRye knows. */
    private static final Set<String> BOOLEANS =
            Set.of("true", "false", "yes", "no", "on", "off", "y", "n", "1", "0");
    private static final String WRITTEN = "500ms, 30s, 5m or 1d";

    @Override
    public ConfigValue getValue(ConfigSourceInterceptorContext context, String name) {
        ConfigValue value = context.proceed(name);
        // A start reads thousands of others
        if (!name.startsWith(Settings.PREFIX)) {
            return value;
        }
        // darkroom.warm-up[0] is an element of darkroom.warm-up
        Method setting = SETTINGS.get(name.replaceFirst("\\[\\d+]$", ""));
        if (setting != null && value != null && value.getValue() != null) {
            wrong(setting, value.getValue()).ifPresent(what -> {
                throw new WrongSetting(name + what);
            });
        }
        return value;
    }

    /** What is wrong with a value, to be said behind the setting's name. */
    private static Optional<String> wrong(Method setting, String value) {
        Class<?> type = setting.getReturnType();
        if (value.isEmpty()) {
            return type == Optional.class || type == OptionalInt.class ? Optional.empty()
                    : Optional.of(" is empty; it must be " + allowed(setting) + ", or not be set");
        }
        try {
            read(setting, value);
            return Optional.empty();
        } catch (IllegalArgumentException | ArithmeticException e) {
            return Optional.of(" is '" + value + "'; " + (setting.isAnnotationPresent(WithConverter.class) ? e.getMessage()
                    : "it must be " + allowed(setting)));
        }
    }

    /** Throws what tells that it cannot be read. */
    private static void read(Method setting, String value) {
        WithConverter converter = setting.getAnnotation(WithConverter.class);
        Class<?> type = type(setting);
        if (converter != null) {
            for (String element : type == setting.getReturnType() ? List.of(value) : List.of(value.split(","))) {
                convert(converter, element);
            }
        } else if (type == int.class || type == OptionalInt.class) {
            Integer.parseInt(value.strip());
        } else if (type == double.class) {
            Double.parseDouble(value);
        } else if (type == boolean.class && !BOOLEANS.contains(value.strip().toLowerCase(Locale.ROOT))) {
            throw new IllegalArgumentException();
        } else if (type == Duration.class && new DurationConverter().convert(value) == null) {
            throw new IllegalArgumentException();
        } else if (type == URI.class) {
            URI.create(value.strip());
        }
    }

    private static void convert(WithConverter converter, String value) {
        try {
            converter.value().getConstructor().newInstance().convert(value);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String allowed(Method setting) {
        Class<?> type = type(setting);
        if (type == int.class || type == OptionalInt.class) {
            Min min = setting.getAnnotation(Min.class);
            Max max = setting.getAnnotation(Max.class);
            return "a whole number" + (min == null ? "" : " from " + min.value()) + (max == null ? "" : " to " + max.value());
        }
        if (type == double.class) {
            return withoutMustBe(setting.getAnnotation(DecimalMin.class).message());
        }
        if (type == boolean.class) {
            return "true or false";
        }
        if (type == Duration.class) {
            DurationMin min = setting.getAnnotation(DurationMin.class);
            return min == null ? "a time such as " + WRITTEN
                    : "a time " + withoutMustBe(min.message()) + ", written as " + WRITTEN;
        }
        return type == URI.class ? "an address such as https://s3.example.com:9000" : "a text";
    }

    private static String withoutMustBe(String message) {
        return message.replaceFirst("^must be ", "");
    }

    /** That of the value, where it is optional or there may be several. */
    private static Class<?> type(Method setting) {
        Type type = setting.getGenericReturnType();
        while (type instanceof ParameterizedType several) {
            type = several.getActualTypeArguments()[0];
        }
        return (Class<?>) type;
    }

    /** SmallRye collects these and shows them as they print themselves. */
    private static final class WrongSetting extends IllegalArgumentException {

        private static final long serialVersionUID = 1;

        WrongSetting(String sentence) {
            super(sentence);
        }

        @Override
        public String toString() {
            return getMessage();
        }
    }
}
