package dev.darkroom.stack;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;

/** An S3 server of others, in a process of its own, over a folder that outlives it. */
public final class StoreServer implements AutoCloseable {

    public static final String ACCESS_KEY = "darkroom";
    public static final String SECRET_KEY = "darkroom-secret";

    private static final int SECONDS_TO_START = 60;

    /** Those that can be run where they are installed. */
    public enum Kind {
        VERSITYGW("versitygw", "go install github.com/versity/versitygw/cmd/versitygw@latest"),
        /** Keeps everything in memory, and takes any key. */
        MOTO("moto_server", "pip install 'moto[server]'");

        private final String program;
        private final String installation;

        Kind(String program, String installation) {
            this.program = program;
            this.installation = installation;
        }

        /** What it keeps is there when it is started again. */
        public boolean keeps() {
            return this == VERSITYGW;
        }

        /** Skips the test where it is not installed, and says how it would be. */
        private Path program() {
            Optional<Path> found = Stream.of(System.getenv("PATH").split(File.pathSeparator))
                    .map(folder -> Path.of(folder, program)).filter(Files::isExecutable).findFirst();
            assumeTrue(found.isPresent(), () -> program + " is not installed: " + installation);
            return found.orElseThrow();
        }
    }

    private final Kind kind;
    private final Path folder;
    private final int port = Ports.free();
    private final List<String> options;
    private final boolean secure;
    private Process process;

    private StoreServer(Kind kind, Path folder, boolean secure, List<String> options) {
        this.kind = kind;
        this.folder = folder;
        this.secure = secure;
        this.options = options;
        restart();
    }

    public static StoreServer start(Kind kind, Path folder, String... options) {
        return new StoreServer(kind, folder, false, List.of(options));
    }

    /** It speaks TLS; certificate and key are files in PEM. */
    public static StoreServer startSecure(Kind kind, Path folder, Path certificate, Path key) {
        boolean moto = kind == Kind.MOTO;
        return new StoreServer(kind, folder, true, List.of(
                moto ? "--ssl-cert" : "--cert", certificate.toString(), moto ? "--ssl-key" : "--key", key.toString()));
    }

    /** Starts it again, on the same port, with what it keeps. */
    public void restart() {
        try {
            List<String> command = new ArrayList<>(List.of(kind.program().toString()));
            if (kind == Kind.MOTO) {
                command.addAll(List.of("--host", "127.0.0.1", "--port", Integer.toString(port)));
                command.addAll(options);
            } else {
                command.addAll(List.of("--port", "127.0.0.1:" + port, "--access", ACCESS_KEY, "--secret", SECRET_KEY,
                        "--iam-dir", Files.createDirectories(folder.resolve("users")).toString()));
                command.addAll(options);
                command.addAll(List.of("posix", Files.createDirectories(folder.resolve("data")).toString()));
            }
            process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("log").toFile())
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Awaitility.await().atMost(SECONDS_TO_START, TimeUnit.SECONDS).until(this::answers);
    }

    private boolean answers() {
        if (!process.isAlive()) {
            throw new IllegalStateException(kind + " has ended; see " + folder.resolve("log"));
        }
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            return socket.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    /** Adds a user with rights to nothing. VersityGW alone. */
    public void addUser(String accessKey, String secretKey) throws IOException, InterruptedException {
        Process adding = new ProcessBuilder(kind.program().toString(), "admin", "--endpoint-url", endpoint().toString(),
                "--access", ACCESS_KEY, "--secret", SECRET_KEY, "create-user", "--access", accessKey, "--secret", secretKey,
                "--role", "user").redirectErrorStream(true).start();
        String said = new String(adding.getInputStream().readAllBytes(), UTF_8);
        if (adding.waitFor() != 0) {
            throw new IllegalStateException(said);
        }
    }

    public URI endpoint() {
        return URI.create((secure ? "https" : "http") + "://127.0.0.1:" + port);
    }

    public int port() {
        return port;
    }

    /** Ends it as a crash would. */
    public void kill() {
        try {
            process.destroyForcibly().waitFor();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        kill();
    }
}
