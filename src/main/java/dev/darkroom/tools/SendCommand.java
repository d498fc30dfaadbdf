package dev.darkroom.tools;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Events;
import dev.darkroom.contract.Failed;
import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.LinkValidity;
import dev.darkroom.contract.ReadResult;
import dev.darkroom.contract.RequestReader;
import dev.darkroom.worker.KafkaBinding;
import io.cloudevents.CloudEvent;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code darkroom send}: requests from a file to Kafka. */
@Command(
        name = "send",
        description = {
            "Sends requests to Kafka. Each line of FILE is one request as JSON; `-` reads standard input.",
            "",
            "All lines are checked before the first is sent. Further settings of the Kafka client come from the environment, "
                + "as KAFKA_SECURITY_PROTOCOL."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExamples, with `darkroom stack` and a worker in other terminals:%n",
        footer = {
            "  echo '{\"requestId\":\"r-1\",\"prompt\":\"a red car\"}' | darkroom send --wait -",
            "  KAFKA_BOOTSTRAP_SERVERS=broker:9092 darkroom send requests.jsonl",
            "  darkroom send --express urgent.jsonl"
        })
public final class SendCommand implements Callable<Integer> {

    private static final Duration POLL = Duration.ofMillis(200);

    private final ObjectMapper json = new ObjectMapper();

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", description = "JSON lines, or - for standard input.")
    private String file;

    @Mixin
    private BrokersOption brokers;

    @Option(names = "--topic", defaultValue = "${env:DARKROOM_TOPICS_REQUESTS:-darkroom.requests}",
            description = "Where requests go.")
    private String topic;

    @Option(names = "--express-topic", defaultValue = "${env:DARKROOM_TOPICS_EXPRESS:-darkroom.requests.express}",
            description = "Where they go with --express.")
    private String expressTopic;

    @Option(names = "--express", description = "Sends them on the express lane: workers take them first.")
    private boolean express;

    @Option(names = "--completions-topic", defaultValue = "${env:DARKROOM_TOPICS_COMPLETIONS:-darkroom.completions}",
            description = "Where outcomes come from, for --wait.")
    private String completions;

    @Option(names = "--dead-letters-topic", defaultValue = "${env:DARKROOM_TOPICS_DEAD_LETTERS:-darkroom.requests-dlq}",
            description = "Where lines go that are no requests, for --wait with --no-validate.")
    private String deadLetters;

    @Option(names = "--link", paramLabel = "TIME", converter = LinkOption.class,
            description = "Asks for links to the images that are valid for so long, as 24h or 7d, in requests that ask for none.")
    private LinkValidity link;

    @Option(names = "--wait", description = "Waits for the outcome of every request and prints each event as a line of JSON. "
            + "Exit code 1 if one failed. With --no-validate also for lines that become dead letters.")
    private boolean wait;

    @Option(names = "--timeout", paramLabel = "SECONDS", defaultValue = "600", description = "How long --wait waits.")
    private long timeout;

    @Option(names = "--no-validate", description = "Sends every line as it is, checked or not.")
    private boolean unchecked;

    @Override
    public Integer call() throws IOException {
        QuietLog.warningsToStandardError();
        if (unchecked && link != null) {
            throw new ParameterException(spec.commandLine(), "give either --link or --no-validate: lines go as they are with it");
        }
        if (express) {
            topic = expressTopic;
        }
        List<Message> messages = read();
        try (EventClient client = new EventClient(brokers.bootstrapServers())) {
            if (wait) {
                client.follow(unchecked ? List.of(completions, deadLetters) : List.of(completions));
            }
            for (Message message : messages) {
                client.send(message.record());
            }
            List<RecordMetadata> sent = client.flush();
            System.err.printf("%d %s sent to %s at %s%n", messages.size(),
                    messages.size() == 1 ? "request" : "requests", topic, brokers.bootstrapServers());
            return wait ? await(client, messages, sent) : ExitCode.OK;
        }
    }

    /** @param sent where each message went */
    private int await(EventClient client, List<Message> messages, List<RecordMetadata> sent) {
        ProgressLine progress = ProgressLine.onStandardError();
        // A message with an id is answered under that; one without is known by its place alone
        Map<String, Message> byId = new LinkedHashMap<>();
        Map<String, Message> byPlace = new LinkedHashMap<>();
        for (int i = 0; i < messages.size(); i++) {
            Message message = messages.get(i);
            message.requestId().ifPresent(id -> byId.put(id, message));
            if (unchecked) {
                byPlace.put(place(topic, sent.get(i).partition(), sent.get(i).offset()), message);
            }
        }
        // Of lines with the same id the last stands for all: they have one outcome
        Set<Message> open = new LinkedHashSet<>(messages);
        open.removeIf(message -> message.requestId().isPresent() && byId.get(message.requestId().get()).line() != message.line());
        int total = open.size();
        List<String> failures = new ArrayList<>();
        long deadline = System.nanoTime() + Duration.ofSeconds(timeout).toNanos();
        while (!open.isEmpty()) {
            if (System.nanoTime() > deadline) {
                progress.clear();
                throw new CommandException("After %d s there is no outcome for %d of %d requests, %s among them.".formatted(
                        timeout, open.size(), total, open.iterator().next().name()));
            }
            progress.show("outcomes", total - open.size(), total);
            client.pollRecords(POLL, record -> {
                if (record.topic().equals(deadLetters)) {
                    Message message = byPlace.get(place(header(record, "dead-letter-topic"),
                            header(record, "dead-letter-partition"), header(record, "dead-letter-offset")));
                    if (message != null && open.remove(message)) {
                        failures.add("%s is a dead letter: %s".formatted(message.name(), header(record, "dead-letter-reason")));
                    }
                    return;
                }
                KafkaBinding.event(record).filter(event -> open.remove(byId.get(event.getSubject()))).ifPresent(event -> {
                    progress.clear();
                    System.out.println(new String(Events.toStructured(event), StandardCharsets.UTF_8));
                    if (Events.outcome(event) instanceof Failed failed) {
                        failures.add("%s failed: %s".formatted(failed.requestId(), failed.message()));
                    }
                });
            });
        }
        progress.clear();
        failures.forEach(System.err::println);
        System.err.printf("%d completed, %d failed%n", total - failures.size(), failures.size());
        return failures.isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private static String place(Object topic, Object partition, Object offset) {
        return topic + "-" + partition + "-" + offset;
    }

    private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
    }

    private List<Message> read() throws IOException {
        List<Message> messages = new ArrayList<>();
        List<String> faults = new ArrayList<>();
        RequestReader reader = new RequestReader();
        Events events = new Events("/darkroom/cli");
        try (BufferedReader lines = open()) {
            int number = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                number++;
                if (line.isBlank()) {
                    continue;
                }
                byte[] value = line.getBytes(StandardCharsets.UTF_8);
                if (unchecked) {
                    Optional<String> id = requestId(value);
                    messages.add(new Message(number, id, new ProducerRecord<>(topic, id.orElse(null), value)));
                    continue;
                }
                ReadResult result = reader.read(value);
                if (result instanceof ReadResult.Understood understood) {
                    GenerationRequest request = link == null ? understood.request() : understood.request().linked(link);
                    CloudEvent event = events.of(request, Instant.now());
                    messages.add(new Message(number, Optional.of(request.requestId()),
                            KafkaBinding.toRecord(topic, request.requestId(), event)));
                } else if (result instanceof ReadResult.Refused refused) {
                    faults.add("line %d: %s".formatted(number, refused.message()));
                } else if (result instanceof ReadResult.Undecodable undecodable) {
                    faults.add("line %d: %s".formatted(number, undecodable.message()));
                }
            }
        }
        if (!faults.isEmpty()) {
            throw new CommandException("nothing was sent, because of %s%n  %s".formatted(
                    file.equals("-") ? "standard input" : file, String.join(System.lineSeparator() + "  ", faults)));
        }
        if (messages.isEmpty()) {
            throw new CommandException("there is no request in " + (file.equals("-") ? "standard input" : file));
        }
        return messages;
    }

    private BufferedReader open() throws IOException {
        if (!file.equals("-") && Files.isDirectory(Path.of(file))) {
            throw new ParameterException(spec.commandLine(), file + " is a folder; it must be a file of JSON lines");
        }
        try {
            InputStream in = file.equals("-") ? System.in : Files.newInputStream(Path.of(file));
            return new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        } catch (NoSuchFileException e) {
            throw new ParameterException(spec.commandLine(), "there is no file " + file);
        } catch (AccessDeniedException e) {
            throw new ParameterException(spec.commandLine(), "the file " + file + " may not be read");
        }
    }

    /** Reads how long links are valid. */
    static final class LinkOption implements ITypeConverter<LinkValidity> {
        @Override
        public LinkValidity convert(String value) {
            try {
                return LinkValidity.parse(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException("'%s' is not %s".formatted(value, LinkValidity.ALLOWED));
            }
        }
    }

    /** The id that an unchecked line may have. */
    private Optional<String> requestId(byte[] value) throws IOException {
        try {
            JsonNode id = json.readTree(value).path("requestId");
            return id.isTextual() ? Optional.of(id.asText()) : Optional.empty();
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }

    /** @param line from 1 */
    private record Message(int line, Optional<String> requestId, ProducerRecord<String, byte[]> record) {

        String name() {
            return requestId.orElse("line " + line);
        }
    }
}
