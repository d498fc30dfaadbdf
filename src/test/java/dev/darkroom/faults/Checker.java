package dev.darkroom.faults;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.digest.Sha256;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * Reads what lies on the topics and in the store afterwards, and says what is wrong with it. It knows nothing of what was
 * done meanwhile, and asks no worker.
 */
final class Checker {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TOO_MANY_ATTEMPTS = "TOO_MANY_ATTEMPTS";

    private final Map<String, Message> requests = new LinkedHashMap<>();
    private final Map<String, List<Message>> byId = new LinkedHashMap<>();
    private final Map<String, List<Message>> outcomes = new HashMap<>();
    private final Map<String, List<Message>> deadLetters = new HashMap<>();
    private final Function<String, Optional<byte[]>> store;
    private final Pictures pictures;

    private final List<String> lost = new ArrayList<>();
    private final List<String> secondOutcomes = new ArrayList<>();
    private final List<String> mixedImages = new ArrayList<>();
    private final List<String> orphanOutcomes = new ArrayList<>();
    private final List<String> wrongOutcomes = new ArrayList<>();
    private final Set<String> images = new HashSet<>();
    private int tooManyAttempts;

    /**
     * What is wrong, a sentence each.
     *
     * @param requests records that had to be answered
     * @param lost records without an answer
     * @param secondOutcomes requests that were told two things
     * @param mixedImages images that are not what their request asked for
     * @param orphanOutcomes answers to nothing that was asked, and images that are told of and are not there
     * @param wrongOutcomes answers of a kind that the request does not call for
     * @param images images that were told of
     * @param tooManyAttempts requests that were given up because workers kept dying under them
     */
    record Verdict(int requests, List<String> lost, List<String> secondOutcomes, List<String> mixedImages,
            List<String> orphanOutcomes, List<String> wrongOutcomes, int images, int tooManyAttempts) {

        boolean good() {
            return lost.isEmpty() && secondOutcomes.isEmpty() && mixedImages.isEmpty() && orphanOutcomes.isEmpty()
                    && wrongOutcomes.isEmpty();
        }
    }

    /**
     * @param requests what was asked for: the lanes' topics, without what was given up
     * @param answers what is on the topics of outcomes and of dead letters
     * @param store an object by its key
     */
    Checker(List<Message> requests, List<Message> answers, Function<String, Optional<byte[]>> store, Pictures pictures) {
        this.store = store;
        this.pictures = pictures;
        requests.forEach(request -> {
            this.requests.put(request.place(), request);
            String id = Expected.of(request).id();
            if (id != null) {
                byId.computeIfAbsent(id, key -> new ArrayList<>()).add(request);
            }
        });
        answers.forEach(answer -> {
            if (answer.topic().equals(Cluster.DEAD_LETTERS)) {
                String place = Message.place(answer.header("dead-letter-topic"), answer.header("dead-letter-partition"),
                        answer.header("dead-letter-offset"));
                deadLetters.computeIfAbsent(place, key -> new ArrayList<>()).add(answer);
            } else {
                outcomes.computeIfAbsent(answer.header("ce_subject"), key -> new ArrayList<>()).add(answer);
            }
        });
    }

    Verdict check() {
        requests.values().forEach(this::checkAnswered);
        byId.keySet().forEach(this::checkOneOutcome);
        outcomes.forEach(this::checkAsked);
        deadLetters.forEach(this::checkDeadLetters);
        return new Verdict(requests.size(), lost, secondOutcomes, mixedImages, orphanOutcomes, wrongOutcomes, images.size(),
                tooManyAttempts);
    }

    /** A record is answered by an outcome on its key, by a refusal that names its place, or by a dead letter that does. */
    private void checkAnswered(Message request) {
        Expected expected = Expected.of(request);
        Set<String> ends = new HashSet<>();
        if (deadLetters.containsKey(request.place())) {
            ends.add(Expected.DEAD_LETTER);
        }
        outcomes.getOrDefault(String.valueOf(expected.id()), List.of()).stream()
                .filter(outcome -> answers(outcome, request, expected))
                .forEach(outcome -> ends.add(end(outcome)));
        if (ends.equals(Set.of(Expected.DEAD_LETTER, TOO_MANY_ATTEMPTS))) {
            // Such a record is told of in both places
            tooManyAttempts++;
        } else if (ends.contains(TOO_MANY_ATTEMPTS) && ends.size() == 1) {
            // A copy of one
            tooManyAttempts++;
        } else if (ends.isEmpty()) {
            lost.add("%s at %s has no answer".formatted(expected.id(), request.place()));
        } else if (ends.size() > 1) {
            secondOutcomes.add("%s at %s ended as %s".formatted(expected.id(), request.place(), ends));
        } else if (!expected.ends().containsAll(ends)) {
            wrongOutcomes.add("%s at %s ended as %s; allowed is %s".formatted(
                    expected.id(), request.place(), ends, expected.ends()));
        }
    }

    private boolean answers(Message outcome, Message request, Expected expected) {
        String refused = refusedPlace(outcome);
        if (refused != null) {
            return refused.equals(request.place());
        }
        boolean its = outcome.key() == null ? request.key() == null
                : outcome.key().equals(request.key()) || outcome.key().equals(expected.id());
        // One key may hold two requests with one id; what a completed event says it drew, tells them apart
        return its && (!end(outcome).equals(Expected.COMPLETED) || drew(outcome, expected.picture()));
    }

    /** The place in the id of a refusal, {@code <request id>.failed.<place>}; null of any other outcome. */
    private static String refusedPlace(Message outcome) {
        String prefix = outcome.header("ce_subject") + ".failed.";
        String id = String.valueOf(outcome.header("ce_id"));
        return id.startsWith(prefix) ? id.substring(prefix.length()) : null;
    }

    private static String end(Message outcome) {
        return String.valueOf(outcome.header("ce_type")).contains(".completed.")
                ? Expected.COMPLETED : json(outcome).path("reason").asText();
    }

    private static boolean drew(Message completed, int picture) {
        JsonNode parameters = json(completed).path("parameters");
        return picture >= 0 && parameters.path("prompt").asText().equals(Pictures.prompt(picture))
                && parameters.path("seed").asLong() == Pictures.seed(picture);
    }

    /** All that was told of an id but refusals must be one event, and each refusal too, the same in every byte. */
    private void checkOneOutcome(String id) {
        Map<String, Set<String>> told = new TreeMap<>();
        for (Message outcome : outcomes.getOrDefault(id, List.of())) {
            String place = refusedPlace(outcome);
            told.computeIfAbsent(place == null ? "" : place, key -> new HashSet<>()).add(event(outcome));
        }
        told.forEach((place, events) -> {
            if (events.size() > 1) {
                secondOutcomes.add("%s%s was told %d outcomes: %s".formatted(
                        id, place.isEmpty() ? "" : " at " + place, events.size(), events));
            }
        });
    }

    /** The event alone: attributes and data, without what belongs to the record, as the trace. */
    private static String event(Message outcome) {
        Map<String, String> attributes = new TreeMap<>(outcome.headers());
        attributes.keySet().removeIf(name -> !name.startsWith("ce_") && !name.equals("content-type"));
        return attributes + outcome.value();
    }

    private void checkAsked(String id, List<Message> told) {
        List<Message> asked = byId.getOrDefault(id, List.of());
        if (asked.isEmpty()) {
            orphanOutcomes.add("%s was never asked for, and was answered: %s".formatted(id, end(told.get(0))));
            return;
        }
        for (Message outcome : told) {
            String place = refusedPlace(outcome);
            if (place != null && asked.stream().noneMatch(request -> request.place().equals(place))) {
                orphanOutcomes.add("%s was refused at %s, where it never was".formatted(id, place));
            }
        }
        told.stream().filter(outcome -> end(outcome).equals(Expected.COMPLETED)).findFirst()
                .ifPresent(completed -> checkImages(id, completed, asked));
    }

    private void checkImages(String id, Message completed, List<Message> asked) {
        Optional<Expected> drawn = asked.stream().map(Expected::of)
                .filter(expected -> drew(completed, expected.picture())).findFirst();
        if (drawn.isEmpty()) {
            mixedImages.add("%s drew what nobody asked for: %s".formatted(id, json(completed).path("parameters")));
            return;
        }
        for (JsonNode image : json(completed).path("images")) {
            String key = image.path("key").asText();
            Optional<byte[]> file = store.apply(key);
            if (file.isEmpty()) {
                orphanOutcomes.add("%s names an image that is not there: %s".formatted(id, key));
            } else if (!Sha256.hex(file.get()).equals(image.path("sha256").asText())) {
                mixedImages.add("%s names an image of another content: %s".formatted(id, key));
            } else if (!mentions(file.get(), id, Pictures.prompt(drawn.get().picture()))) {
                mixedImages.add("%s names an image that was made for another request: %s".formatted(id, key));
            } else if (!pictures.matches(drawn.get().picture(), file.get())) {
                mixedImages.add("%s names an image that looks otherwise without faults: %s".formatted(id, key));
            }
            images.add(key);
        }
    }

    /** An image file says in plain text what it was made from. No id begins another one. */
    private static boolean mentions(byte[] file, String id, String prompt) {
        String text = new String(file, StandardCharsets.ISO_8859_1);
        return text.contains("Request: " + id) && text.contains(prompt + "\n");
    }

    private void checkDeadLetters(String place, List<Message> told) {
        Message request = requests.get(place);
        if (request == null) {
            orphanOutcomes.add("there is a dead letter of %s, where nothing was asked".formatted(place));
        } else if (told.stream().map(letter -> letter.header("dead-letter-reason")).distinct().count() > 1) {
            secondOutcomes.add("%s has dead letters of several reasons".formatted(place));
        }
    }

    private static JsonNode json(Message outcome) {
        try {
            return JSON.readTree(outcome.value());
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("an event that is not JSON: " + outcome, e);
        }
    }
}
