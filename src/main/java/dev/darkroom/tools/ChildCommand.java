package dev.darkroom.tools;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A command of Darkroom in a JVM of its own, started as this one was. */
public final class ChildCommand {

    private ChildCommand() {
    }

    /**
     * Runs a command to its end.
     *
     * @param environment to be added to this process' own
     * @param log file that its standard error is added to
     * @param line takes each line of its standard output as it comes
     * @return the exit code
     */
    public static int run(List<String> arguments, Map<String, String> environment, Path log, Consumer<String> line) {
        ProcessBuilder builder = new ProcessBuilder(command(arguments))
                .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().putAll(environment);
        try {
            Process process = builder.start();
            return follow(process, process::destroy, line);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Follows a process to its end. It is ended with this one, or when the calling thread is interrupted.
     *
     * @param end asks it to end
     * @param line takes each line of its standard output as it comes
     * @return the exit code
     */
    public static int follow(Process process, Runnable end, Consumer<String> line) throws IOException {
        Thread atExit = new Thread(end);
        Runtime.getRuntime().addShutdownHook(atExit);
        try {
            process.outputWriter().close();
            try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
                out.lines().forEach(line);
            }
            int exitCode = process.waitFor();
            Runtime.getRuntime().removeShutdownHook(atExit);
            return exitCode;
        } catch (InterruptedException e) {
            end.run();
            Thread.currentThread().interrupt();
            throw new CommandException("Interrupted.", e);
        }
    }

    /**
     * Starts a command that runs until it is asked to end.
     *
     * @param environment to be added to this process' own
     * @param log file that all that it prints is added to
     */
    static Process start(List<String> arguments, Map<String, String> environment, Path log) {
        ProcessBuilder builder = new ProcessBuilder(command(arguments))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().putAll(environment);
        try {
            return builder.start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> command(List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        String classpath = System.getProperty("java.class.path");
        command.addAll(classpath.endsWith("quarkus-run.jar")
                ? List.of("-jar", classpath)
                : List.of("-cp", classpath, "dev.darkroom.Main"));
        command.addAll(arguments);
        return command;
    }
}
