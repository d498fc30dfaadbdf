package dev.darkroom.tools;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Printable;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code darkroom redrive}: dead letters go back to where they came from. */
@Command(
        name = "redrive",
        description = {
            "Sends dead letters again: to the topic that each came from, with its own key, headers and value. Prints a line "
                + "for each. A letter is sent once; those that a filter leaves are there for the next time.",
            "",
            "A request id keeps its outcome: where there is one, a request that is sent again is answered with it.",
            "",
            "Further settings of the Kafka client come from the environment, as KAFKA_SECURITY_PROTOCOL."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom redrive --list",
            "  darkroom redrive --reason \"the worker failed\""
        })
public final class RedriveCommand implements Callable<Integer> {

    private static final int LONGEST_KEY = 64;

    private final ObjectMapper mapper = new ObjectMapper();

    @Option(names = "--list", description = "Shows the letters that would be sent, and sends none.")
    private boolean list;

    @Option(names = "--reason", paramLabel = "TEXT",
            description = "Only letters whose reason contains this, in capitals or not.")
    private String reason;

    @Option(names = "--all", description = "Also letters that were sent again before.")
    private boolean all;

    @Option(names = "--json", description = "Prints each letter as a line of JSON.")
    private boolean json;

    @Mixin
    private BrokersOption brokers;

    @Option(names = "--topic", defaultValue = "${env:DARKROOM_TOPICS_DEAD_LETTERS:-darkroom.requests-dlq}",
            description = "Where dead letters lie.")
    private String topic;

    @Option(names = "--group", defaultValue = "darkroom-redrive",
            description = "The consumer group that remembers which were sent.")
    private String group;

    /** How many letters there were so far that can be sent, and that cannot. */
    private int fit;
    private int unfit;

    @Override
    public Integer call() {
        QuietLog.warningsToStandardError();
        try (var letters = new DeadLetterTopic(brokers.bootstrapServers(), topic, group, all)) {
            while (letters.hasNext()) {
                for (DeadLetter letter : letters.next()) {
                    if (reason == null || letter.isBecauseOf(reason)) {
                        take(letter, letters);
                    }
                }
                if (!list) {
                    letters.commit().forEach(this::refused);
                }
            }
        }
        String unfitToo = unfit == 0 ? "" : ", %d that cannot be sent".formatted(unfit);
        System.err.printf("%d dead %s %s at %s%s%n", fit, fit == 1 ? "letter" : "letters",
                list ? "on " + topic : "sent again from " + topic, brokers.bootstrapServers(), unfitToo);
        return unfit == 0 || list ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private void take(DeadLetter letter, DeadLetterTopic letters) {
        Optional<String> obstacle = letter.obstacle();
        print(letter, obstacle);
        if (obstacle.isPresent()) {
            unfit++;
            if (!list) {
                // Said once: there is nothing that a later run could do better
                letters.pass(letter);
            }
            return;
        }
        fit++;
        if (!list) {
            letters.send(letter);
        }
    }

    private void refused(DeadLetter letter, String answer) {
        fit--;
        unfit++;
        System.err.printf("%s is not sent: Kafka says %s%n", letter.place(), answer);
    }

    private void print(DeadLetter letter, Optional<String> obstacle) {
        if (json) {
            ObjectNode line = mapper.createObjectNode();
            line.put("letter", letter.place());
            letter.from().ifPresent(from -> line.put("from", from));
            line.put("time", Instant.ofEpochMilli(letter.record().timestamp()).toString());
            letter.key().ifPresent(key -> line.put("key", key));
            line.put("reason", letter.reason());
            obstacle.ifPresent(why -> line.put("obstacle", why));
            System.out.println(line);
        } else {
            System.out.printf("%s  from %s  key %s  %s%s%n", letter.place(), letter.from().orElse("?"),
                    letter.key().map(key -> Printable.of(key, LONGEST_KEY)).orElse("none"), letter.reason(),
                    obstacle.map(why -> "  (cannot be sent: " + why + ")").orElse(""));
        }
    }
}
