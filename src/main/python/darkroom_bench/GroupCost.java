import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.coordinator.group.generated.GroupMetadataValue;

/**
 * What a consumer group of many workers costs, by Kafka's own classes: how long its leader takes to assign the partitions anew
 * when one worker is gone, and how large the record is in which the broker keeps the group. A worker is two members, one a lane.
 *
 * <pre>java -cp "$(cat target/stack.classpath)" src/main/python/darkroom_bench/GroupCost.java > docs/benchmarks/group.json</pre>
 */
final class GroupCost {

    private static final List<String> TOPICS = List.of("darkroom.requests", "darkroom.requests.express");
    /** Of each topic and worker. */
    private static final int PARTITIONS = 4;
    private static final int RUNS = 5;

    private GroupCost() {
    }

    public static void main(String[] arguments) {
        List<String> rows = new ArrayList<>();
        for (int workers : new int[] {8, 30, 100, 300, 1000, 2000, 3000}) {
            Cluster cluster = cluster(workers);
            Map<String, Subscription> joining = new HashMap<>();
            members(workers).forEach((member, topic) ->
                    joining.put(member, new Subscription(List.of(topic), null, List.of(), -1, Optional.empty())));
            Map<String, Assignment> assigned =
                    new CooperativeStickyAssignor().assign(cluster, new GroupSubscription(joining)).groupAssignment();
            Map<String, Subscription> left = new HashMap<>();
            members(workers).forEach((member, topic) -> left.put(member, subscription(member, topic, assigned.get(member))));
            int record = record(left, assigned);
            members(1).keySet().forEach(left::remove);
            rows.add(String.format(Locale.ROOT,
                    "  {\"workers\": %d, \"partitions\": %d, \"assigningSeconds\": %.4f, \"recordBytes\": %d}",
                    workers, PARTITIONS * workers, median(() ->
                            new CooperativeStickyAssignor().assign(cluster, new GroupSubscription(left))), record));
        }
        System.out.printf("{%n \"kafka\": \"%s\",%n \"processors\": %d,%n \"groups\": [%n%s%n ]%n}%n",
                org.apache.kafka.common.utils.AppInfoParser.getVersion(), Runtime.getRuntime().availableProcessors(),
                String.join(",\n", rows));
    }

    /** By member id, as the worker's clients get them, the topic of its lane. */
    private static Map<String, String> members(int workers) {
        Map<String, String> members = new HashMap<>();
        for (int worker = 0; worker < workers; worker++) {
            members.put("kafka-consumer-requests-" + new UUID(worker, 0), TOPICS.get(0));
            members.put("kafka-consumer-express-" + new UUID(worker, 1), TOPICS.get(1));
        }
        return members;
    }

    private static Cluster cluster(int workers) {
        Node node = new Node(0, "broker", 9092);
        Node[] replicas = {node};
        List<PartitionInfo> partitions = TOPICS.stream().flatMap(topic -> IntStream.range(0, PARTITIONS * workers)
                .mapToObj(partition -> new PartitionInfo(topic, partition, node, replicas, replicas))).toList();
        return new Cluster("cluster", List.of(node), partitions, Set.of(), Set.of());
    }

    private static Subscription subscription(String member, String topic, Assignment had) {
        CooperativeStickyAssignor assignor = new CooperativeStickyAssignor();
        assignor.onAssignment(had, new ConsumerGroupMetadata("darkroom", 1, member, Optional.empty()));
        return new Subscription(List.of(topic), assignor.subscriptionUserData(Set.of(topic)), had.partitions(), 1, Optional.empty());
    }

    private static double median(Runnable work) {
        double[] seconds = IntStream.range(0, RUNS).mapToDouble(run -> {
            long begin = System.nanoTime();
            work.run();
            return (System.nanoTime() - begin) / 1e9;
        }).sorted().toArray();
        return seconds[RUNS / 2];
    }

    /** Bytes of the value that the broker writes to {@code __consumer_offsets}. */
    private static int record(Map<String, Subscription> subscriptions, Map<String, Assignment> assigned) {
        GroupMetadataValue group = new GroupMetadataValue().setProtocolType("consumer").setGeneration(1)
                .setProtocol("cooperative-sticky").setLeader(subscriptions.keySet().iterator().next());
        subscriptions.forEach((member, subscription) -> group.members().add(new GroupMetadataValue.MemberMetadata()
                .setMemberId(member).setClientId(member.substring(0, member.length() - new UUID(0, 0).toString().length() - 1))
                .setClientHost("/10.100.100.100").setRebalanceTimeout(300_000).setSessionTimeout(7_000)
                .setSubscription(bytes(ConsumerProtocol.serializeSubscription(subscription)))
                .setAssignment(bytes(ConsumerProtocol.serializeAssignment(assigned.get(member))))));
        return MessageUtil.toVersionPrefixedBytes(GroupMetadataValue.HIGHEST_SUPPORTED_VERSION, group).length;
    }

    private static byte[] bytes(ByteBuffer buffer) {
        return Arrays.copyOfRange(buffer.array(), buffer.arrayOffset() + buffer.position(), buffer.arrayOffset() + buffer.limit());
    }
}
