package dev.darkroom;

import io.quarkus.runtime.LaunchMode;
import io.quarkus.runtime.annotations.QuarkusMain;

/** Where every command starts, the worker among them. */
@QuarkusMain
public class Main {

    private Main() {
    }

    public static void main(String... args) {
        int exitCode = Darkroom.run(args);
        // In development mode Quarkus calls this method anew after every change, and the process must live on
        if (!LaunchMode.current().isDev()) {
            System.exit(exitCode);
        }
    }
}
