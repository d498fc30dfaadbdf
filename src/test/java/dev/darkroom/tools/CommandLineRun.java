package dev.darkroom.tools;

import dev.darkroom.Darkroom;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * One run of the command line in this process.
 *
 * @param exitCode what the process would have ended with
 * @param out standard output
 * @param err standard error
 */
record CommandLineRun(int exitCode, String out, String err) {

    static CommandLineRun of(String... args) {
        return withInput("", args);
    }

    static CommandLineRun withInput(String input, String... args) {
        InputStream realIn = System.in;
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        try {
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
            int exitCode = Darkroom.run(args);
            return new CommandLineRun(exitCode, out.toString(StandardCharsets.UTF_8),
                    err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setIn(realIn);
            System.setOut(realOut);
            System.setErr(realErr);
        }
    }

    List<String> outLines() {
        return out.lines().toList();
    }
}
