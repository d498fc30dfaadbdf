package dev.darkroom.faults;

import dev.darkroom.faults.Plan.Fault;
import dev.darkroom.faults.Proxy.Behaviour;
import dev.darkroom.faults.Proxy.How;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Does what is planned, and mends it. */
final class Injector {

    private static final int FLAP_MS = 300;
    private static final int LONGEST_SHIFT_MS = 600_000;

    private final Cluster cluster;
    private final Requests requests;

    Injector(Cluster cluster, Requests requests) {
        this.cluster = cluster;
        this.requests = requests;
    }

    /**
     * Does one fault, from its beginning to its end.
     *
     * @param worker whom it befalls; null where it befalls no worker
     */
    void inject(Fault fault, Worker worker) throws Exception {
        Random random = new Random(fault.seed());
        switch (fault.kind().target) {
            case WORKER -> ofWorker(fault, worker, random);
            case SERVERS -> ofServers(fault);
            default -> requests.send(fault.kind(), random);
        }
    }

    private void ofWorker(Fault fault, Worker worker, Random random) throws Exception {
        int lasts = fault.lasts();
        switch (fault.kind()) {
            case WORKER_KILLED -> {
                worker.kill();
                worker.start();
            }
            case WORKER_KILLED_AT_START -> {
                worker.kill();
                worker.start();
                Thread.sleep(lasts);
                worker.kill();
                worker.start();
            }
            case WORKER_KILLED_WHILE_LEAVING -> {
                worker.leave();
                Thread.sleep(lasts);
                worker.kill();
                worker.start();
            }
            case WORKER_TERMINATED, WORKER_AWAY -> {
                worker.terminate();
                Thread.sleep(lasts);
                worker.start();
            }
            case WORKER_PAUSED, WORKER_SUSPENDED -> suspend(worker.process(), lasts);
            case STATE_UNWRITABLE -> {
                // A folder where the file belongs: no one can write that, whatever rights they have
                Files.deleteIfExists(worker.journal());
                Files.createDirectory(worker.journal());
                Thread.sleep(lasts);
                worker.kill();
                worker.start();
                worker.awaitReady(Duration.ofSeconds(60));
                Files.deleteIfExists(worker.journal());
            }
            case STATE_GARBLED -> {
                worker.kill();
                byte[] noise = new byte[100];
                random.nextBytes(noise);
                Files.write(worker.journal(), noise);
                worker.start();
            }
            case CLOCK_AHEAD, CLOCK_BEHIND -> {
                int shift = 1 + random.nextInt(LONGEST_SHIFT_MS);
                worker.kill();
                worker.start(ClockAgent.options(cluster.folder(), fault.kind() == Kind.CLOCK_AHEAD ? shift : -shift));
            }
            case KAFKA_CUT -> worker.kafka().cut();
            case KAFKA_FLAPPING -> flap(worker.kafka(), lasts);
            case KAFKA_REFUSED -> behave(worker.kafka(), How.REFUSE, 0, lasts);
            case KAFKA_STALLED -> behave(worker.kafka(), How.STALL, 0, lasts);
            case KAFKA_SWALLOWED -> behave(worker.kafka(), How.SWALLOW, 0, lasts);
            case KAFKA_ANSWERS_LOST -> behave(worker.kafka(), How.LOSE_ANSWERS, 0, lasts);
            case KAFKA_ANSWERS_TORN -> behave(worker.kafka(), How.TEAR, 0, lasts);
            case KAFKA_SLOW -> behave(worker.kafka(), How.SLOW, 100 + random.nextInt(401), lasts);
            case STORE_CUT -> worker.store().cut();
            case STORE_FLAPPING -> flap(worker.store(), lasts);
            case STORE_REFUSED -> behave(worker.store(), How.REFUSE, 0, lasts);
            case STORE_STALLED -> behave(worker.store(), How.STALL, 0, lasts);
            case STORE_SWALLOWED -> behave(worker.store(), How.SWALLOW, 0, lasts);
            case STORE_ANSWERS_LOST -> behave(worker.store(), How.LOSE_ANSWERS, 0, lasts);
            case STORE_ANSWERS_TORN -> behave(worker.store(), How.TEAR, 0, lasts);
            case STORE_SLOW -> behave(worker.store(), How.SLOW, 100 + random.nextInt(401), lasts);
            case STORE_TRICKLES -> behave(worker.store(), How.TRICKLE, 20, lasts);
            case STORE_500 -> behave(worker.store(), How.ANSWER, 500, lasts);
            case STORE_503 -> behave(worker.store(), How.ANSWER, 503, lasts);
            case STORE_429 -> behave(worker.store(), How.ANSWER, 429, lasts);
            case STORE_403 -> behave(worker.store(), How.ANSWER, 403, lasts);
            default -> throw new IllegalArgumentException(fault.kind() + " befalls no worker");
        }
    }

    private static void behave(Proxy proxy, How how, int amount, int lasts) throws IOException, InterruptedException {
        proxy.behave(new Behaviour(how, amount));
        Thread.sleep(lasts);
        proxy.behave(Behaviour.PASS);
    }

    private static void flap(Proxy proxy, int lasts) throws InterruptedException {
        for (int past = 0; past < lasts; past += FLAP_MS) {
            proxy.cut();
            Thread.sleep(FLAP_MS);
        }
    }

    private static void suspend(Child process, int lasts) throws InterruptedException {
        process.suspend();
        Thread.sleep(lasts);
        process.resume();
    }

    private void ofServers(Fault fault) throws Exception {
        int lasts = fault.lasts();
        switch (fault.kind()) {
            case BROKER_KILLED -> {
                cluster.broker().kill();
                Thread.sleep(lasts);
                cluster.startBroker();
            }
            case BROKER_TERMINATED -> {
                end(cluster.broker());
                Thread.sleep(lasts);
                cluster.startBroker();
            }
            case BROKER_SUSPENDED -> suspend(cluster.broker(), lasts);
            case STORE_KILLED -> {
                cluster.store().kill();
                Thread.sleep(lasts);
                cluster.startStore();
            }
            case STORE_TERMINATED -> {
                end(cluster.store());
                Thread.sleep(lasts);
                cluster.startStore();
            }
            case STORE_SUSPENDED -> suspend(cluster.store(), lasts);
            case BOTH_KILLED -> {
                cluster.broker().kill();
                cluster.store().kill();
                Thread.sleep(lasts);
                cluster.startBroker();
                cluster.startStore();
            }
            case MEMBER_JOINS -> join(lasts);
            default -> throw new IllegalArgumentException(fault.kind() + " befalls no server");
        }
    }

    private static void end(Child server) throws InterruptedException {
        server.terminate();
        if (!server.awaitEnd(20)) {
            server.kill();
        }
    }

    private void join(int lasts) {
        try (KafkaConsumer<byte[], byte[]> stranger = new KafkaConsumer<>(Map.of(
                "bootstrap.servers", cluster.bootstrapServers(), "group.id", Cluster.GROUP, "enable.auto.commit", false,
                "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
                "client.id", "stranger", "max.poll.records", 1, "session.timeout.ms", 8_000),
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            stranger.subscribe(Cluster.LANES);
            long end = System.nanoTime() + Duration.ofMillis(lasts).toNanos();
            while (System.nanoTime() < end) {
                stranger.poll(Duration.ofMillis(200));
            }
        }
    }
}
