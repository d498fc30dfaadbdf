package dev.darkroom.tools.gpu;

import dev.darkroom.tools.ChildCommand;
import dev.darkroom.tools.CommandException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A program of this machine. It gets the environment of this process, and ends with it.
 *
 * @param environment to be added
 */
record Program(List<String> command, Map<String, String> environment) {

    static Program of(String... command) {
        return new Program(List.of(command), Map.of());
    }

    /**
     * Runs it to its end.
     *
     * @param line takes each line of its standard output and standard error as it comes; what a bar rewrites is a line each time
     * @return the exit code
     * @throws CommandException if it cannot be started
     */
    int run(Consumer<String> line) {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new CommandException("%s cannot be run: %s".formatted(command.get(0), e.getMessage()), e);
        }
        try {
            return ChildCommand.follow(process, () -> end(process), line);
        } catch (IOException e) {
            throw new CommandException("%s: %s".formatted(command.get(0), e.getMessage()), e);
        }
    }

    /** With what it has started: a compiler's processes would go on. */
    private static void end(Process process) {
        List<ProcessHandle> descendants = process.descendants().toList();
        process.destroy();
        descendants.forEach(ProcessHandle::destroy);
    }
}
