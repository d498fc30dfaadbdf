package dev.darkroom.faults;

import dev.darkroom.stack.EmbeddedStore;
import dev.darkroom.tools.ClassArchive;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StoreSettings;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;

/** A broker, a store and some workers, each a process. What is on broker and store outlives their processes. */
final class Cluster implements AutoCloseable {

    static final String REQUESTS = "darkroom.requests";
    static final String EXPRESS = "darkroom.requests.express";
    static final String COMPLETIONS = "darkroom.completions";
    static final String PROGRESS = "darkroom.progress";
    static final String DEAD_LETTERS = "darkroom.requests-dlq";
    static final String CANCELLATIONS = "darkroom.cancellations";
    static final String GROUP = "darkroom";
    static final List<String> LANES = List.of(REQUESTS, EXPRESS);
    /** Of each lane. */
    static final int PARTITIONS = 12;

    private static final int START_SECONDS = 90;

    private final Path folder;
    private final Set<Integer> ports = new HashSet<>();
    private final int kafkaPort = port();
    private final int controllerPort = port();
    private final int storePort = port();
    private final List<Proxy.Listening> kafkaPorts;
    private final List<Worker> workers = new ArrayList<>();
    private volatile Child broker;
    private volatile Child store;

    /**
     * @param folder for data and logs; it must be empty
     * @param options of the workers' JVMs
     */
    Cluster(Path folder, int workers, List<String> options) throws Exception {
        this.folder = folder;
        // Each worker reaches the broker at a listener of its own, which tells it the proxy's address
        this.kafkaPorts = IntStream.range(0, workers).mapToObj(i -> new Proxy.Listening(port(), port())).toList();
        for (int i = 0; i < workers; i++) {
            this.workers.add(new Worker(this, i, options, port(), kafkaPorts.get(i), new Proxy.Listening(port(), storePort)));
        }
        startBroker();
        startStore();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers()))) {
            admin.createTopics(Stream.of(REQUESTS, EXPRESS, COMPLETIONS, PROGRESS, DEAD_LETTERS, CANCELLATIONS)
                    .map(topic -> new NewTopic(topic, LANES.contains(topic) ? PARTITIONS : 1, (short) 1)).toList()).all().get();
        }
        this.workers.forEach(Worker::start);
    }

    /** A port that is free, and none of those that the system hands out to whoever connects: servers come back to theirs. */
    private int port() {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(20_000, 30_000);
            try (ServerSocket socket = new ServerSocket()) {
                socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                if (ports.add(port)) {
                    return port;
                }
            } catch (IOException e) {
                // Taken: another
            }
        }
    }

    void startBroker() throws InterruptedException, IOException {
        String listeners = listeners(i -> kafkaPorts.get(i).server());
        String advertised = listeners(i -> kafkaPorts.get(i).port());
        String protocols = IntStream.range(0, kafkaPorts.size()).mapToObj(i -> ",W%d:PLAINTEXT".formatted(i))
                .collect(Collectors.joining());
        broker = server("kafka", String.valueOf(kafkaPort), folder.resolve("kafka").toString(),
                "controller.quorum.voters=1@127.0.0.1:" + controllerPort,
                "listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d%s".formatted(
                        kafkaPort, controllerPort, listeners),
                "advertised.listeners=PLAINTEXT://127.0.0.1:%d%s".formatted(kafkaPort, advertised),
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT" + protocols,
                "inter.broker.listener.name=PLAINTEXT",
                // What a transaction's owner has left open holds up whoever reads what is committed
                "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000");
    }

    private String listeners(java.util.function.IntUnaryOperator port) {
        return IntStream.range(0, kafkaPorts.size())
                .mapToObj(i -> ",W%d://127.0.0.1:%d".formatted(i, port.applyAsInt(i))).collect(Collectors.joining());
    }

    void startStore() throws InterruptedException, IOException {
        store = server("store", String.valueOf(storePort), folder.resolve("store").toString());
    }

    private Child server(String name, String... arguments) throws InterruptedException, IOException {
        List<String> command = new ArrayList<>(List.of(java(), "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        command.addAll(ClassArchive.options("stack"));
        command.addAll(List.of("-cp", classpath(), ServerMain.class.getName(), name));
        command.addAll(List.of(arguments));
        Path log = folder.resolve(name + ".log");
        Child child = Child.start(command, Map.of(), log, true);
        String line = child.process().inputReader().readLine();
        if (!"ready".equals(line)) {
            throw new IllegalStateException("The %s did not start. Its log: %s".formatted(name, log));
        }
        return child;
    }

    static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /** The checkout. */
    static Path home() {
        return Path.of(System.getProperty("cli.home", "")).toAbsolutePath();
    }

    private static String classpath() throws IOException {
        // As the archive of classes has it, and then what is not in that
        return Stream.of(home().resolve("target/darkroom-stack.jar").toString(),
                        Files.readString(home().resolve("target/stack.classpath")).strip(),
                        home().resolve("target/test-classes").toString(), home().resolve("target/classes").toString())
                .collect(Collectors.joining(File.pathSeparator));
    }

    /** Where the broker is reached without a proxy. */
    String bootstrapServers() {
        return "127.0.0.1:" + kafkaPort;
    }

    String accessKey() {
        return EmbeddedStore.ACCESS_KEY;
    }

    String secretKey() {
        return EmbeddedStore.SECRET_KEY;
    }

    Path folder() {
        return folder;
    }

    List<Worker> workers() {
        return workers;
    }

    Child broker() {
        return broker;
    }

    Child store() {
        return store;
    }

    /** The store as anybody sees it, without a proxy. */
    MinioImageStore objects() {
        return new MinioImageStore(new StoreSettings(URI.create("http://127.0.0.1:" + storePort), "us-east-1", "darkroom",
                accessKey(), secretKey(), true, false, Duration.ofSeconds(5), Duration.ofSeconds(30)));
    }

    void awaitReady() throws InterruptedException {
        for (Worker worker : workers) {
            if (!worker.awaitReady(Duration.ofSeconds(START_SECONDS))) {
                throw new IllegalStateException("%s is not ready after %d s. Its log: %s".formatted(
                        worker.name(), START_SECONDS, worker.log()));
            }
        }
    }

    @Override
    public void close() throws Exception {
        for (Worker worker : workers) {
            worker.close();
        }
        for (Child server : new Child[] {broker, store}) {
            if (server != null) {
                server.kill();
            }
        }
    }
}
