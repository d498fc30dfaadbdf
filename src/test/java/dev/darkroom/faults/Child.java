package dev.darkroom.faults;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** A process that signals are sent to. None outlives this one. */
final class Child {

    private static final Set<Process> ALL = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> ALL.forEach(Process::destroyForcibly)));
    }

    private final Process process;

    private Child(Process process) {
        this.process = process;
    }

    /** @param log file that its standard error is added to, and its standard output unless somebody reads that */
    static Child start(List<String> command, Map<String, String> environment, Path log, boolean outputIsRead) {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        if (!outputIsRead) {
            builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        }
        builder.environment().putAll(environment);
        try {
            Child child = new Child(builder.start());
            ALL.add(child.process);
            return child;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Process process() {
        return process;
    }

    long pid() {
        return process.pid();
    }

    boolean alive() {
        return process.isAlive();
    }

    /** SIGKILL: at once, and nothing is tidied up. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
        ALL.remove(process);
    }

    /** SIGTERM. */
    void terminate() {
        process.destroy();
    }

    /** @return false if it is still there afterwards */
    boolean awaitEnd(int seconds) throws InterruptedException {
        boolean ended = process.waitFor(seconds, TimeUnit.SECONDS);
        if (ended) {
            ALL.remove(process);
        }
        return ended;
    }

    /** SIGSTOP. */
    void suspend() throws InterruptedException {
        signal("STOP");
    }

    /** SIGCONT. */
    void resume() throws InterruptedException {
        signal("CONT");
    }

    private void signal(String name) throws InterruptedException {
        try {
            new ProcessBuilder("kill", "-" + name, Long.toString(pid())).start().waitFor();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
