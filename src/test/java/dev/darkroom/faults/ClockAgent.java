package dev.darkroom.faults;

import static net.bytebuddy.matcher.ElementMatchers.named;
import static net.bytebuddy.matcher.ElementMatchers.none;

import java.io.IOException;
import java.io.InputStream;
import java.lang.instrument.Instrumentation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.zip.ZipEntry;
import net.bytebuddy.agent.builder.AgentBuilder;
import net.bytebuddy.asm.Advice;

/** Sets a worker's clock wrong: what {@code java.time} takes for now differs by as many milliseconds as a property says. */
public final class ClockAgent {

    private static final String PROPERTY = "faults.clock";

    private ClockAgent() {
    }

    public static void premain(String arguments, Instrumentation instrumentation) {
        new AgentBuilder.Default()
                .disableClassFormatChanges()
                .with(AgentBuilder.RedefinitionStrategy.RETRANSFORMATION)
                .ignore(none())
                .type(named("java.time.Clock"))
                .transform((builder, type, loader, module, domain) ->
                        builder.visit(Advice.to(Shift.class).on(named("currentInstant"))))
                .installOn(instrumentation);
    }

    /** Copied into {@code Clock.currentInstant}. */
    private static final class Shift {

        @Advice.OnMethodExit
        @SuppressWarnings("UnusedVariable") // what is assigned is what the method returns
        static void exit(@Advice.Return(readOnly = false) Instant now) {
            now = now.plusMillis(Long.getLong(PROPERTY, 0));
        }
    }

    /** Options of a JVM whose clock is to differ. */
    static String[] options(Path folder, long milliseconds) throws IOException {
        Path jar = folder.resolve("clock-agent.jar");
        if (!Files.exists(jar)) {
            write(jar);
        }
        return new String[] {"-javaagent:" + jar, "-D" + PROPERTY + "=" + milliseconds};
    }

    private static void write(Path jar) throws IOException {
        Manifest manifest = new Manifest();
        Attributes attributes = manifest.getMainAttributes();
        attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        attributes.putValue("Premain-Class", ClockAgent.class.getName());
        attributes.putValue("Can-Retransform-Classes", "true");
        attributes.put(Attributes.Name.CLASS_PATH,
                AgentBuilder.class.getProtectionDomain().getCodeSource().getLocation().toString());
        Path half = Files.createTempFile(jar.getParent(), "clock-agent", ".jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(half), manifest)) {
            for (Class<?> type : new Class<?>[] {ClockAgent.class, Shift.class}) {
                String name = type.getName().replace('.', '/') + ".class";
                out.putNextEntry(new ZipEntry(name));
                try (InputStream in = type.getClassLoader().getResourceAsStream(name)) {
                    in.transferTo(out);
                }
            }
        }
        Files.move(half, jar, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }
}
