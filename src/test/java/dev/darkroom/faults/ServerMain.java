package dev.darkroom.faults;

import dev.darkroom.stack.EmbeddedKafka;
import dev.darkroom.stack.EmbeddedStore;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;

/**
 * A broker or a store in a process of its own, on a given port over a given folder: {@code kafka PORT FOLDER NAME=VALUE…}
 * or {@code store PORT FOLDER}. Says "ready", and ends when its standard input does.
 */
final class ServerMain {

    private ServerMain() {
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        System.setProperty("java.util.logging.manager", "org.jboss.logmanager.LogManager");
        Logger.getLogger("").setLevel(Level.SEVERE);
        int port = Integer.parseInt(arguments[1]);
        Path data = Path.of(arguments[2]);
        Map<String, String> settings = Arrays.stream(arguments).skip(3)
                .collect(Collectors.toMap(text -> text.substring(0, text.indexOf('=')),
                        text -> text.substring(text.indexOf('=') + 1)));
        AutoCloseable server = arguments[0].equals("kafka")
                ? EmbeddedKafka.start(port, data, settings) : EmbeddedStore.start(port, data);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                server.close();
            } catch (Exception e) {
                System.err.println("It did not close: " + e);
            }
        }));
        answers.println("ready");
        answers.flush();
        while (System.in.read() >= 0) {
            // nothing is asked of this process but to end
        }
        System.exit(0);
    }
}
