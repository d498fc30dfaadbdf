package dev.darkroom.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * A named configuration. All of them are stated in {@code profiles.json}, which the measurements in Python read too: the nine
 * of the study, and those of few steps.
 *
 * @param label the name in requests and events
 * @param guidanceScale classifier-free guidance scale; 1 is no guidance at all
 * @param guidanceCutoff fraction of the steps after which the unconditional branch is dropped; 1 never drops it
 * @param compiled whether compiled packages are used where the bundle has them
 */
public record Profile(String label, SchedulerName scheduler, int steps, double guidanceScale, double guidanceCutoff,
        DecoderName decoder, boolean compiled) {

    private static final String RESOURCE = "profiles.json";
    private static final List<Profile> ALL = read();

    /** What the study found to be worth it, joined. */
    public static final Profile FINAL = labelled("final").orElseThrow();
    /** Four steps of weights that were distilled for them. */
    public static final Profile FAST = labelled("fast").orElseThrow();

    private static List<Profile> read() {
        try (InputStream resource = Profile.class.getResourceAsStream(RESOURCE)) {
            return StreamSupport.stream(new ObjectMapper().readTree(resource).spliterator(), false).map(Profile::of).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(RESOURCE + " cannot be read", e);
        }
    }

    private static Profile of(JsonNode json) {
        return new Profile(json.get("name").asText(),
                Labelled.find(SchedulerName.class, json.get("scheduler").asText()).orElseThrow(),
                json.get("steps").asInt(), json.at("/guidance/scale").asDouble(), json.at("/guidance/cutoff").asDouble(),
                Labelled.find(DecoderName.class, json.get("decoder").asText()).orElseThrow(),
                json.get("compiled").asBoolean());
    }

    /** All profiles, those of the study first. */
    public static List<Profile> all() {
        return ALL;
    }

    /** The profile of this name; empty if there is none. */
    public static Optional<Profile> labelled(String label) {
        return ALL.stream().filter(profile -> profile.label.equals(label)).findFirst();
    }

    /** All names, separated by commas, for messages that say what is allowed. */
    public static String labels() {
        return ALL.stream().map(Profile::label).collect(Collectors.joining(", "));
    }

    /** The profile's parameters at the model's default size, as {@link #parameters(ModelDescription, List)} without adapters. */
    public GenerationParameters parameters(ModelDescription model) {
        return parameters(model, List.of());
    }

    /**
     * The profile's parameters at the model's default size.
     *
     * @param adapters to be added to the weights. A profile of few steps adds one that was made for them where neither the
     *     weights nor these were, and the model has one
     * @throws UnsupportedParametersException if the model's weights cannot draw the profile
     */
    public GenerationParameters parameters(ModelDescription model, List<LoraAdapter> adapters) {
        List<LoraAdapter> added = new ArrayList<>(adapters);
        if (scheduler.needsFewStepWeights() && !model.drawsInFewSteps(adapters)) {
            model.adapters().stream().filter(AdapterDescription::fewSteps).findFirst()
                    .ifPresent(adapter -> added.add(new LoraAdapter(adapter.name(), 1)));
        }
        model.requireWeightsFor(scheduler, added, "profile");
        ImageSize size = model.defaultSize();
        return new GenerationParameters(size.width(), size.height(), steps, scheduler, guidanceScale, guidanceCutoff, decoder,
                compiled, added);
    }
}
