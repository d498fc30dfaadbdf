package dev.darkroom.worker.intake;

import dev.darkroom.worker.claim.Lane;
import io.smallrye.reactive.messaging.ClientCustomizer;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.eclipse.microprofile.config.Config;

/**
 * Settings of the lanes' consumers that depend on how their group is run. With {@code group.protocol=consumer} (KIP-848)
 * the broker decides on assignment and sessions, and the client refuses to be told.
 */
@ApplicationScoped
class ConsumerSettings implements ClientCustomizer<Map<String, Object>> {

    private static final List<String> THE_BROKERS = List.of(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
            ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG);

    /** A worker that is gone without a word is missed after this time, and the others hear of that with their next heartbeat. */
    private static final Map<String, String> TIMES = Map.of(
            ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, "7000", ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, "1000");

    private final Config properties;

    ConsumerSettings(Config properties) {
        this.properties = properties;
    }

    @Override
    public Map<String, Object> customize(String channel, Config config, Map<String, Object> settings) {
        Object protocol = settings.get(ConsumerConfig.GROUP_PROTOCOL_CONFIG);
        if (Stream.of(Lane.values()).noneMatch(lane -> lane.channel().equals(channel))) {
            return settings;
        }
        if (GroupProtocol.CONSUMER.name().equalsIgnoreCase(String.valueOf(protocol))) {
            THE_BROKERS.forEach(settings::remove);
        } else {
            // A partition that stays with its worker need not be handed over
            settings.putIfAbsent(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
                    CooperativeStickyAssignor.class.getName());
            // The lanes leave the group alike
            TIMES.forEach((name, time) -> settings.putIfAbsent(name, properties.getOptionalValue(
                    "mp.messaging.incoming." + Lane.ORDINARY.channel() + "." + name, String.class).orElse(time)));
        }
        return settings;
    }
}
