package dev.darkroom.worker.intake;

import io.smallrye.reactive.messaging.ClientCustomizer;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.eclipse.microprofile.config.Config;

/**
 * Settings of the consumer that depend on how its group is run. With {@code group.protocol=consumer} (KIP-848) the broker
 * decides on assignment and sessions, and the client refuses to be told.
 */
@ApplicationScoped
class ConsumerSettings implements ClientCustomizer<Map<String, Object>> {

    private static final List<String> THE_BROKERS = List.of(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
            ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG);

    @Override
    public Map<String, Object> customize(String channel, Config config, Map<String, Object> settings) {
        Object protocol = settings.get(ConsumerConfig.GROUP_PROTOCOL_CONFIG);
        if (!channel.equals("requests")) {
            return settings;
        }
        if (GroupProtocol.CONSUMER.name().equalsIgnoreCase(String.valueOf(protocol))) {
            THE_BROKERS.forEach(settings::remove);
        } else {
            // A partition that stays with its worker need not be handed over
            settings.putIfAbsent(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
                    CooperativeStickyAssignor.class.getName());
            // A worker that is gone without a word is missed after this time, and its partitions go to others
            settings.putIfAbsent(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, "7000");
            // And the others hear of that with their next heartbeat
            settings.putIfAbsent(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, "1000");
        }
        return settings;
    }
}
