package dev.darkroom.worker;

import io.smallrye.config.ConfigMapping;
import java.lang.reflect.Method;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** The settings of {@link DarkroomConfig} by their names. */
public final class Settings {

    /** What all names begin with, without the dot. */
    public static final String PREFIX = DarkroomConfig.class.getAnnotation(ConfigMapping.class).prefix();

    private Settings() {
    }

    /** Each as {@code darkroom.flow.in-flight}, with the method that returns its value. */
    public static Map<String, Method> all() {
        Map<String, Method> all = new TreeMap<>();
        add(PREFIX, DarkroomConfig.class, all);
        return all;
    }

    private static void add(String prefix, Class<?> group, Map<String, Method> all) {
        for (Method method : group.getDeclaredMethods()) {
            if (!method.isSynthetic() && method.getParameterCount() == 0) {
                String name = prefix + "." + method.getName().replaceAll("([a-z])([A-Z])", "$1-$2").toLowerCase(Locale.ROOT);
                Class<?> type = method.getReturnType();
                if (type.getEnclosingClass() == DarkroomConfig.class && type.isInterface()) {
                    add(name, type, all);
                } else {
                    all.put(name, method);
                }
            }
        }
    }
}
