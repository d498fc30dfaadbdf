package dev.darkroom.tools.bench;

import dev.darkroom.contract.Events;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.ImageFormat;
import dev.darkroom.contract.Overrides;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.EventClient;
import dev.darkroom.tools.ProgressLine;
import dev.darkroom.worker.KafkaBinding;
import io.cloudevents.CloudEvent;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sends requests of one profile, an image each, and hears their outcomes. */
final class BacklogRun {

    static final String REQUESTS = "darkroom.requests";

    private static final String COMPLETIONS = "darkroom.completions";
    private static final Duration POLL = Duration.ofMillis(200);
    private static final Duration SILENCE = Duration.ofMinutes(10);

    private final Events events = new Events("/darkroom/bench");
    private final EventClient client;
    private final Profile profile;
    private final int partitions;
    private final ProgressLine progress;

    /**
     * Follows the outcomes from now on.
     *
     * @param partitions of the requests' topic. Requests go to one after the other, whatever their keys, so that each holds as
     *     many
     */
    BacklogRun(EventClient client, Profile profile, int partitions, ProgressLine progress) {
        this.client = client;
        this.profile = profile;
        this.partitions = partitions;
        this.progress = progress;
        client.follow(List.of(COMPLETIONS));
    }

    /**
     * Sends all at once, and waits for the last outcome.
     *
     * @param ids of the requests
     * @param meanwhile called now and then; what it throws ends the run
     * @param outcome takes the event of each request
     */
    void run(List<String> ids, Runnable meanwhile, Consumer<CloudEvent> outcome) {
        Set<String> open = new HashSet<>(ids);
        for (int i = 0; i < ids.size(); i++) {
            ProducerRecord<String, byte[]> message =
                    KafkaBinding.toRecord(REQUESTS, ids.get(i), events.of(request(ids.get(i)), Instant.now()));
            client.send(new ProducerRecord<>(
                    REQUESTS, i % partitions, message.key(), message.value(), message.headers()));
        }
        client.flush();
        progress.show("outcomes", 0, ids.size());
        long heard = System.nanoTime();
        while (!open.isEmpty()) {
            int before = open.size();
            client.poll(POLL, event -> {
                if (open.remove(event.getSubject())) {
                    outcome.accept(event);
                }
            });
            meanwhile.run();
            if (open.size() < before) {
                heard = System.nanoTime();
                progress.show("outcomes", ids.size() - open.size(), ids.size());
            } else if (System.nanoTime() - heard > SILENCE.toNanos()) {
                throw new CommandException("No outcome for %d minutes; %d of %d are missing.".formatted(
                        SILENCE.toMinutes(), open.size(), ids.size()));
            }
        }
    }

    private GenerationRequest request(String id) {
        return new GenerationRequest(id, Prompts.of(id.hashCode()), "", GenerationRequest.DEFAULT_PROMPT_SYNTAX,
                profile.label(), Overrides.NONE, OptionalLong.empty(), 1,
                ImageFormat.PNG, Optional.empty(), Map.of());
    }
}
