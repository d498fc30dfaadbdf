package dev.darkroom.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.ExitCode;

/**
 * A real Kafka broker and a real S3 server in a JVM of their own, for commands that show or measure something and for the
 * tests. Their libraries are no part of what is deployed; a checkout's build folder and a distribution have the class path of
 * them. The child ends when its standard input closes, hence also when this process is killed.
 */
public final class StackProcess implements AutoCloseable {

    private static final int START_SECONDS = 60;

    private final Process process;
    private final Path folder;
    private final JsonNode addresses;

    private volatile boolean closing;

    private StackProcess(Process process, Path folder, JsonNode addresses) {
        this.process = process;
        this.folder = folder;
        this.addresses = addresses;
    }

    /**
     * Starts both, on free ports unless the options say otherwise, and waits until they answer.
     *
     * @param log where their log goes; what they hold lies beside it until they are closed
     * @param lasting whether they are to carry more than a few requests: then their code is optimised while it runs, which
     *     halves what a request costs them, and costs the processor seconds at first
     * @param options of the child's command: {@code --kafka-port N}, {@code --store-port N}, {@code --data DIR}
     */
    public static StackProcess start(Path log, boolean lasting, String... options) {
        Process process;
        Path folder;
        try {
            folder = Files.createTempDirectory(log.toAbsolutePath().getParent(), "stack");
            process = new ProcessBuilder(command(folder, lasting, options)).redirectError(log.toFile()).start();
        } catch (IOException e) {
            throw new CommandException("The embedded broker and store cannot be started: " + e.getMessage(), e);
        }
        // Nobody needs servers that are not up; and one that still starts would write to a folder that is being removed
        Thread atInterrupt = new Thread(process::destroyForcibly);
        try {
            Runtime.getRuntime().addShutdownHook(atInterrupt);
        } catch (IllegalStateException e) {
            process.destroyForcibly();
            throw new CommandException("Interrupted.", e);
        }
        try {
            JsonNode addresses = awaitReady(process);
            requireNoInterrupt(atInterrupt);
            return new StackProcess(process, folder, addresses);
        } catch (InterruptedException | ExecutionException | TimeoutException | IOException e) {
            requireNoInterrupt(atInterrupt);
            end(process, folder);
            throw new CommandException(
                    "The embedded broker and store did not start%s. Their log: %s".formatted(reason(log), log), e);
        }
    }

    private static void requireNoInterrupt(Thread atInterrupt) {
        try {
            Runtime.getRuntime().removeShutdownHook(atInterrupt);
        } catch (IllegalStateException e) {
            throw new CommandException("Interrupted.", e);
        }
    }

    private static List<String> command(Path folder, boolean lasting, String... options) {
        Path classpath = Home.built("stack.classpath");
        Path servers = Home.built("darkroom-stack.jar");
        if (!Files.exists(classpath) || !Files.exists(servers)) {
            throw new CommandException("The embedded broker and store are not here: they belong to a checkout or a "
                    + "distribution, not to what is deployed. Run ./darkroom there.");
        }
        List<String> command = new ArrayList<>();
        // Ctrl-C reaches every process of the terminal; the servers must outlive the worker that drains through them
        command.addAll(List.of("/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh"));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Djava.io.tmpdir=" + folder);
        command.addAll(List.of("-Xmx512m", "-XX:+UseSerialGC"));
        if (!lasting) {
            command.add("-XX:TieredStopAtLevel=1");
        }
        command.addAll(ClassArchive.options("stack"));
        command.add("-cp");
        try {
            // A distribution's are relative to the file
            command.add(Stream.of(Files.readString(classpath).strip().split(File.pathSeparator))
                    .map(entry -> classpath.resolveSibling(entry).toString())
                    .collect(Collectors.joining(File.pathSeparator, servers + File.pathSeparator, "")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        command.add("dev.darkroom.stack.StackMain");
        command.addAll(List.of(options));
        return command;
    }

    private static JsonNode awaitReady(Process process)
            throws InterruptedException, ExecutionException, TimeoutException, IOException {
        BufferedReader out = process.inputReader(StandardCharsets.UTF_8);
        String line = CompletableFuture.supplyAsync(() -> {
            try {
                return out.readLine();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }).get(START_SECONDS, TimeUnit.SECONDS);
        if (line == null) {
            throw new IOException("ended with exit code " + process.waitFor());
        }
        return new ObjectMapper().readTree(line);
    }

    /** The first cause in a log of Java stack traces is the last that it names. */
    private static String reason(Path log) {
        try {
            List<String> lines = Files.readAllLines(log).stream()
                    .filter(line -> !line.isBlank() && !line.startsWith("\t"))
                    .map(line -> line.replaceFirst("^(Caused by: )?([a-z]\\w*\\.)+\\w+(Exception|Error): ", ""))
                    .toList();
            return lines.isEmpty() ? "" : ": " + lines.get(lines.size() - 1);
        } catch (IOException e) {
            return "";
        }
    }

    /** All of the addresses and keys. */
    JsonNode addresses() {
        return addresses;
    }

    /** The broker's address, as {@code localhost:19092}. */
    public String bootstrapServers() {
        return addresses.path("bootstrapServers").asText();
    }

    /** The store's address, as {@code http://localhost:19000}. */
    public String storeEndpoint() {
        return addresses.path("storeEndpoint").asText();
    }

    public String accessKey() {
        return addresses.path("accessKey").asText();
    }

    public String secretKey() {
        return addresses.path("secretKey").asText();
    }

    /**
     * From here on this process ends with the servers, should the system end them, and says so: whoever waits for a broker that
     * is gone waits for ever. The children that it has started end, too.
     *
     * @param scratch is kept then
     */
    public void endsThisProcess(Scratch scratch) {
        process.onExit().thenAccept(ended -> {
            if (!closing && scratch.keep()) {
                System.err.printf("%ndarkroom: The embedded broker and store ended by themselves, with exit code %d. Logs: %s%n",
                        ended.exitValue(), scratch.folder());
                ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
                Runtime.getRuntime().halt(ExitCode.SOFTWARE);
            }
        });
    }

    /** Waits until the servers end by themselves. */
    void join() throws InterruptedException {
        process.waitFor();
    }

    /** Ends both at once, since nobody wants what they hold any more. */
    @Override
    public void close() {
        closing = true;
        end(process, folder);
    }

    private static void end(Process process, Path folder) {
        try {
            process.destroyForcibly().waitFor();
            Folders.delete(folder);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
