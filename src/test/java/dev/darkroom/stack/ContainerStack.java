package dev.darkroom.stack;

import java.net.URI;

import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.utility.DockerImageName;

/**
 * Kafka and S3Proxy in containers. The images can be replaced, by a mirror's say, with the environment variables
 * {@value #KAFKA_IMAGE_VARIABLE} and {@value #STORE_IMAGE_VARIABLE}.
 */
public final class ContainerStack implements Stack {

    static final String KAFKA_IMAGE_VARIABLE = "DARKROOM_KAFKA_IMAGE";
    static final String STORE_IMAGE_VARIABLE = "DARKROOM_STORE_IMAGE";

    private static final String KAFKA_IMAGE = "apache/kafka:4.1.1";
    private static final String STORE_IMAGE = "andrewgaul/s3proxy:4.0.0";
    private static final int STORE_PORT = 80;

    private final KafkaContainer kafka;
    private final GenericContainer<?> store;

    private ContainerStack(KafkaContainer kafka, GenericContainer<?> store) {
        this.kafka = kafka;
        this.store = store;
    }

    /** Starts both, after pulling their images if they are missing. */
    @SuppressWarnings("resource") // closed by close()
    public static ContainerStack start() {
        var kafka = new KafkaContainer(
                DockerImageName.parse(image(KAFKA_IMAGE_VARIABLE, KAFKA_IMAGE)).asCompatibleSubstituteFor("apache/kafka"));
        var store = new GenericContainer<>(DockerImageName.parse(image(STORE_IMAGE_VARIABLE, STORE_IMAGE)))
                .withEnv("S3PROXY_ENDPOINT", "http://0.0.0.0:" + STORE_PORT)
                .withEnv("S3PROXY_AUTHORIZATION", "aws-v2-or-v4")
                .withEnv("S3PROXY_IDENTITY", EmbeddedStore.ACCESS_KEY)
                .withEnv("S3PROXY_CREDENTIAL", EmbeddedStore.SECRET_KEY)
                .withEnv("JCLOUDS_PROVIDER", "filesystem-nio2")
                .withExposedPorts(STORE_PORT)
                .waitingFor(Wait.forListeningPort());
        var stack = new ContainerStack(kafka, store);
        try {
            kafka.start();
            store.start();
        } catch (RuntimeException e) {
            stack.close();
            throw e;
        }
        return stack;
    }

    @Override
    public String bootstrapServers() {
        return kafka.getBootstrapServers();
    }

    @Override
    public URI storeEndpoint() {
        return URI.create("http://" + store.getHost() + ":" + store.getMappedPort(STORE_PORT));
    }

    @Override
    public String accessKey() {
        return EmbeddedStore.ACCESS_KEY;
    }

    @Override
    public String secretKey() {
        return EmbeddedStore.SECRET_KEY;
    }

    @Override
    public void close() {
        store.stop();
        kafka.stop();
    }

    private static String image(String variable, String otherwise) {
        String given = System.getenv(variable);
        return given == null || given.isBlank() ? otherwise : given;
    }
}
