package dev.darkroom.stack;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

/** Kafka and S3 from Maven jars, in a child process: nothing of them mixes with the classes under test. */
public final class EmbeddedStack implements Stack {

    private static final Path TEST_CLASSES = Path.of("target", "test-classes");
    private static final Path CLASS_PATH_FILE = Path.of("target", "stack.classpath");

    private final Process process;
    private final JsonNode facts;

    private EmbeddedStack(Process process, JsonNode facts) {
        this.process = process;
        this.facts = facts;
    }

    /** Starts both on free ports, with nothing in them. */
    public static EmbeddedStack start() {
        return start(List.of());
    }

    /**
     * Starts both on given ports over a folder that outlives them, to see how things go on after an outage.
     *
     * @param data where records and objects are kept
     */
    public static EmbeddedStack start(int kafkaPort, int storePort, Path data) {
        return start(List.of("--kafka-port", Integer.toString(kafkaPort), "--store-port", Integer.toString(storePort),
                "--data", data.toString()));
    }

    private static EmbeddedStack start(List<String> arguments) {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-cp", classPath(), StackMain.class.getName()));
        command.addAll(arguments);
        Process process = null;
        try {
            process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            var answers = new BufferedReader(
                    new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
            String ready = answers.readLine();
            if (ready == null) {
                throw new IllegalStateException(
                        "the embedded stack ended before it was ready; its reason stands on standard error");
            }
            return new EmbeddedStack(process, new ObjectMapper().readTree(ready));
        } catch (IOException e) {
            if (process != null) {
                process.destroyForcibly();
            }
            throw new IllegalStateException("the embedded stack could not be started", e);
        }
    }

    @Override
    public String bootstrapServers() {
        return facts.get("bootstrapServers").textValue();
    }

    @Override
    public URI storeEndpoint() {
        return URI.create(facts.get("storeEndpoint").textValue());
    }

    @Override
    public String accessKey() {
        return facts.get("accessKey").textValue();
    }

    @Override
    public String secretKey() {
        return facts.get("secretKey").textValue();
    }

    @Override
    public void close() {
        try {
            process.getOutputStream().close();
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (IOException e) {
            process.destroyForcibly();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Surefire starts its JVM with one jar that names all others and tells the real class path in a property; outside of
     * Surefire (a development session, an IDE) what the build wrote down serves.
     */
    private static String classPath() {
        String surefire = System.getProperty("surefire.test.class.path");
        if (surefire != null) {
            return surefire;
        }
        if (Files.exists(CLASS_PATH_FILE)) {
            try {
                return TEST_CLASSES + System.getProperty("path.separator") + Files.readString(CLASS_PATH_FILE).strip();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return System.getProperty("java.class.path");
    }
}
