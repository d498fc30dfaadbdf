package dev.darkroom.page;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.SettingTypes;
import dev.darkroom.worker.store.StoreSettings;
import io.smallrye.config.ConfigValidationException;
import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfig;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Where the page finds what it shows.
 *
 * @param port of this machine's loopback address; 0 for any that is free
 * @param bootstrapServers the brokers, as {@code localhost:19092}
 * @param group the workers' consumer group, whose lag is shown
 * @param topics the workers' topics
 * @param store the store of the images
 * @param pictures bucket for pictures that requests start from; empty if the workers take none
 * @param maxPictureBytes longest file of such a picture
 */
public record PageSettings(
        int port,
        String bootstrapServers,
        String group,
        DarkroomConfig.Topics topics,
        StoreSettings store,
        Optional<String> pictures,
        int maxPictureBytes) {

    /** Above the environment and the system properties. */
    private static final int FIRST = 1000;

    /**
     * Takes the worker's own settings {@code darkroom.topics}, {@code .store} and {@code .inputs} from where it takes them.
     *
     * @param known settings that are not to be looked up
     * @throws IllegalArgumentException for what the worker would refuse, with a sentence
     */
    public static PageSettings of(int port, String bootstrapServers, String group, Map<String, String> known) {
        try {
            SmallRyeConfig config = new SmallRyeConfigBuilder()
                    .withMapping(DarkroomConfig.Topics.class, "darkroom.topics")
                    .withMapping(DarkroomConfig.Store.class, "darkroom.store")
                    .withMapping(DarkroomConfig.Inputs.class, "darkroom.inputs")
                    .withValidateUnknown(false)
                    .addDefaultInterceptors()
                    .withInterceptors(new SettingTypes())
                    .addDefaultSources()
                    .addDiscoveredConverters()
                    .withSources(new PropertiesConfigSource(known, "page", FIRST))
                    .build();
            DarkroomConfig.Inputs inputs = config.getConfigMapping(DarkroomConfig.Inputs.class, "darkroom.inputs");
            return new PageSettings(port, bootstrapServers, group,
                    config.getConfigMapping(DarkroomConfig.Topics.class, "darkroom.topics"),
                    StoreSettings.of(config.getConfigMapping(DarkroomConfig.Store.class, "darkroom.store")),
                    inputs.buckets().flatMap(buckets -> buckets.stream().findFirst()), inputs.maxBytes());
        } catch (ConfigValidationException e) {
            throw new IllegalArgumentException(e.getProblem(0).getMessage(), e);
        }
    }

    /** All topics that the page reads. */
    List<String> allTopics() {
        return List.of(topics.requests(), topics.express(), topics.completions(), topics.progress(), topics.deadLetters());
    }
}
