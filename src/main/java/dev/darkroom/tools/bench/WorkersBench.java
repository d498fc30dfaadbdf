package dev.darkroom.tools.bench;

import dev.darkroom.diffusion.Profile;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.EventClient;
import dev.darkroom.tools.ProgressLine;
import dev.darkroom.tools.StackProcess;
import dev.darkroom.tools.WorkerProcess;
import dev.darkroom.torch.DeviceSelection;
import io.cloudevents.CloudEvent;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.GroupState;

/** One worker against several, each in a process and on a device of its own, at one broker and one store. */
final class WorkersBench {

    /** Of each worker. More than one, as in real topics; that all workers get as many is what matters here. */
    static final int PARTITIONS = 4;
    private static final String GROUP = "darkroom";
    private static final Duration REBALANCE = Duration.ofMinutes(2);
    private static final long POLL_MS = 200;

    private final StackProcess stack;
    private final Path folder;
    private final List<DeviceSelection> devices;
    private final int partitions;
    private final ProgressLine progress;
    private final List<WorkerProcess> workers = new ArrayList<>();

    /**
     * @param folder of the workers' logs
     * @param devices one a worker; the first is the one that is measured alone
     */
    WorkersBench(StackProcess stack, Path folder, List<DeviceSelection> devices, ProgressLine progress) {
        this.stack = stack;
        this.folder = folder;
        this.devices = devices;
        this.partitions = PARTITIONS * devices.size();
        this.progress = progress;
    }

    /**
     * Runs two backlogs, the first through one worker.
     *
     * @param requests in each
     */
    WorkersReport run(Profile profile, int requests) {
        try (Admin admin = Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, stack.bootstrapServers()));
                EventClient client = new EventClient(stack.bootstrapServers())) {
            admin.createTopics(List.of(new NewTopic(BacklogRun.REQUESTS, partitions, (short) 1))).all().get();
            BacklogRun backlog = new BacklogRun(client, profile, partitions, progress);
            start(devices.subList(0, 1), admin);
            List<Measurement> alone = measure(backlog, "one", requests);
            start(devices.subList(1, devices.size()), admin);
            List<Measurement> shared = measure(backlog, "all", requests);
            return WorkersReport.of(profile.label(), partitions, alone, shared);
        } catch (ExecutionException e) {
            throw new CommandException("The broker refused: " + e.getCause().getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException("Interrupted.", e);
        } finally {
            workers.parallelStream().forEach(WorkerProcess::close);
        }
    }

    private void start(List<DeviceSelection> further, Admin admin) throws ExecutionException, InterruptedException {
        progress.show("starting %d more %s …".formatted(further.size(), further.size() == 1 ? "worker" : "workers"));
        for (DeviceSelection device : further) {
            workers.add(WorkerProcess.start(stack, device, "worker-" + workers.size(), folder));
        }
        workers.forEach(WorkerProcess::awaitReady);
        awaitShares(admin);
    }

    /** Waits until every worker has its part of the partitions. */
    private void awaitShares(Admin admin) throws ExecutionException, InterruptedException {
        long deadline = System.nanoTime() + REBALANCE.toNanos();
        while (!isShared(admin)) {
            workers.forEach(WorkerProcess::requireAlive);
            if (System.nanoTime() > deadline) {
                throw new CommandException("The partitions are not shared out to %d workers after %d minutes. Logs: %s".formatted(
                        workers.size(), REBALANCE.toMinutes(), folder));
            }
            Thread.sleep(POLL_MS);
        }
    }

    private boolean isShared(Admin admin) throws ExecutionException, InterruptedException {
        ConsumerGroupDescription group = admin.describeConsumerGroups(List.of(GROUP)).all().get().get(GROUP);
        // The express lane's consumers are members, too
        List<Long> shares = group.members().stream().map(member -> member.assignment().topicPartitions().stream()
                .filter(partition -> partition.topic().equals(BacklogRun.REQUESTS)).count()).filter(share -> share > 0).toList();
        return group.groupState() == GroupState.STABLE && shares.size() == workers.size()
                && shares.stream().allMatch(share -> share == partitions / workers.size());
    }

    /** What each worker did in a backlog, in the order of the workers. */
    private List<Measurement> measure(BacklogRun backlog, String name, int requests) {
        progress.show("warming up …");
        // One for each partition reaches every worker
        backlog.run(ids(name + "-warm-up", partitions), this::requireAlive, event -> {
        });
        Map<String, Measurement> bySource = new HashMap<>();
        workers.forEach(worker -> bySource.put(worker.source(), new Measurement()));
        List<Double> before = workers.stream().map(WorkerProcess::busySeconds).toList();
        backlog.run(ids(name, requests), this::requireAlive,
                (CloudEvent event) -> bySource.get(event.getSource().toString()).add(event));
        for (int i = 0; i < workers.size(); i++) {
            bySource.get(workers.get(i).source()).busy(workers.get(i).busySeconds() - before.get(i));
        }
        return workers.stream().map(worker -> bySource.get(worker.source())).toList();
    }

    private void requireAlive() {
        workers.forEach(WorkerProcess::requireAlive);
    }

    private static List<String> ids(String name, int count) {
        return IntStream.range(0, count).mapToObj(i -> "bench-%s-%05d".formatted(name, i)).toList();
    }
}
