package dev.darkroom.stack;

import java.net.URI;
import java.util.Locale;
import java.util.logging.Level;
import java.util.logging.Logger;

import org.testcontainers.DockerClientFactory;

/** A real Kafka broker and a real S3 server, fresh and empty, for as long as a test or a demonstration needs them. */
public interface Stack extends AutoCloseable {

    /** Forces one kind, instead of looking: {@code embedded} or {@code containers}. */
    String KIND_VARIABLE = "DARKROOM_STACK";

    /** The broker, as {@code bootstrap.servers}. Topics are created when they are first used. */
    String bootstrapServers();

    /** The S3 server. It has no buckets at first. */
    URI storeEndpoint();

    /** The access key id that the S3 server knows. */
    String accessKey();

    /** Its secret access key. */
    String secretKey();

    /** Stops both and removes what they kept. */
    @Override
    void close();

    /**
     * Starts containers where a Docker engine answers and embedded servers where none does, which takes up to 5 seconds.
     *
     * @throws IllegalStateException if {@value #KIND_VARIABLE} names no kind
     */
    static Stack start() {
        String kind = System.getenv().getOrDefault(KIND_VARIABLE, "").toLowerCase(Locale.ROOT);
        return switch (kind) {
            case "embedded" -> EmbeddedStack.start();
            case "containers" -> ContainerStack.start();
            case "" -> dockerAnswers() ? ContainerStack.start() : EmbeddedStack.start();
            default -> throw new IllegalStateException(
                    KIND_VARIABLE + " is '" + kind + "'; it may be 'embedded' or 'containers'");
        };
    }

    private static boolean dockerAnswers() {
        // that there is no engine is an answer here, and no error to be shown
        Logger logger = Logger.getLogger("org.testcontainers");
        Level level = logger.getLevel();
        logger.setLevel(Level.OFF);
        try {
            return DockerClientFactory.instance().isDockerAvailable();
        } finally {
            logger.setLevel(level);
        }
    }
}
