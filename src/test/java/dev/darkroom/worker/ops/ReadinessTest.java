package dev.darkroom.worker.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.StoreGate;
import dev.darkroom.worker.Topics;
import dev.darkroom.worker.WorkerResource;
import dev.darkroom.worker.cancel.Cancellations;
import io.quarkus.test.common.ResourceArg;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Readiness says why requests are not consumed or outcomes not published, and that they are again. */
@QuarkusTest
@WithTestResource(value = WorkerResource.class, initArgs = {
    @ResourceArg(name = "auto.create.topics.enable", value = "false"),
    @ResourceArg(name = "authorizer.class.name", value = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    @ResourceArg(name = "allow.everyone.if.no.acl.found", value = "true")
})
@Timeout(180)
class ReadinessTest {

    /** Fifteen seconds, and some to look. */
    private static final Duration SOON = Duration.ofSeconds(25);

    Topics topics;
    StoreGate gate;
    Stack stack;

    @Inject
    Cancellations cancellations;

    @TestHTTPResource("/")
    URI http;

    @BeforeEach
    void awaitReady() {
        await().atMost(Duration.ofSeconds(60)).until(() -> ready().statusCode() == 200);
    }

    @Test
    void missingTopicsAreNamedUntilTheyAreThere() throws Exception {
        List<String> needed = List.of(
                Topics.REQUESTS, Topics.EXPRESS, Topics.COMPLETIONS, Topics.DEAD_LETTERS, Topics.CANCELLATIONS);
        topics.admin().deleteTopics(needed).all().get();
        assertTold("The topics " + String.join(", ", needed) + " are missing.");
        for (String topic : needed.subList(0, 4)) {
            topics.create(topic);
        }
        assertTold("The topic " + Topics.CANCELLATIONS + " is missing.");
        topics.create(Topics.CANCELLATIONS);
        await().atMost(SOON).until(() -> ready().statusCode() == 200);
    }

    @Test
    void aMissingRightToHearOfCancellationsIsNamed() throws Exception {
        try {
            deny(ResourceType.TOPIC, Topics.CANCELLATIONS, AclOperation.READ);
            assertTold("The worker has no right to read the topic " + Topics.CANCELLATIONS);
        } finally {
            allowAgain();
        }
        await().atMost(SOON).until(() -> ready().statusCode() == 200);
        String id = "allowed-" + UUID.randomUUID();
        topics.cancel(id);
        await().atMost(SOON).until(() -> cancellations.contains(id));
    }

    @Test
    void aMissingRightToPublishIsNamedAndItsOutcomesComeWhenItIsGranted() throws Exception {
        String id = "refused-" + UUID.randomUUID();
        try {
            deny(ResourceType.TOPIC, Topics.COMPLETIONS, AclOperation.WRITE);
            topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 1}".formatted(id));
            assertTold("The worker has no right to write the topic " + Topics.COMPLETIONS);
            await().atMost(SOON).until(() -> ready().body().contains(
                    "The worker could not publish to " + Topics.COMPLETIONS));
            assertThat(ready().body()).contains("the right to do so is missing");
        } finally {
            allowAgain();
        }
        topics.outcome(id);
        await().atMost(SOON).until(() -> ready().statusCode() == 200);
    }

    @Test
    void aMissingRightToConsumeIsNamed() throws Exception {
        try {
            deny(ResourceType.GROUP, "darkroom", AclOperation.READ);
            assertTold("The worker has no right to read the group darkroom");
        } finally {
            allowAgain();
        }
        await().atMost(SOON).until(() -> ready().statusCode() == 200);
    }

    @Test
    void theRightsInTheManifestAreEnoughAndNoneOfThemTooMany() throws Exception {
        List<AclBinding> workers = rights(Path.of("deploy", "kubernetes", "components", "strimzi", "users.yaml"));
        // The test, which the broker cannot tell from the worker
        List<AclBinding> tests = Stream.concat(Stream.of(acl(ResourceType.TOPIC, Topics.REQUESTS, AclOperation.WRITE)),
                Stream.of(Topics.COMPLETIONS, Topics.PROGRESS, Topics.DEAD_LETTERS)
                        .map(topic -> acl(ResourceType.TOPIC, topic, AclOperation.READ))).toList();
        String id = "allowed-" + UUID.randomUUID();
        try {
            topics.admin().createAcls(tests).all().get();
            topics.admin().createAcls(workers).all().get();
            topics.send("{\"requestId\": \"%s\", \"prompt\": \"a lime\", \"steps\": 1}".formatted(id));
            topics.send("no request");
            topics.outcome(id);
            await().atMost(SOON).until(() -> !topics.received(Topics.PROGRESS, id).isEmpty()
                    && !topics.received(Topics.DEAD_LETTERS, record -> true).isEmpty());
            assertThat(ready().statusCode()).isEqualTo(200);
            for (AclBinding right : workers) {
                if (!right.pattern().name().equals(Topics.PROGRESS)) {
                    topics.admin().deleteAcls(List.of(right.toFilter())).all().get();
                    // The resource is not everybody's for want of a rule
                    topics.admin().createAcls(List.of(acl(right.pattern().resourceType(), right.pattern().name(),
                            AclOperation.DESCRIBE_CONFIGS))).all().get();
                    assertTold("The worker has no right to " + right.entry().operation().name().toLowerCase(Locale.ROOT));
                    topics.admin().createAcls(List.of(right)).all().get();
                    await().atMost(SOON).until(() -> ready().statusCode() == 200);
                }
            }
        } finally {
            allowAgain();
        }
        await().atMost(SOON).until(() -> ready().statusCode() == 200);
    }

    /** The rights of the workers, given to the name that they have here. */
    private static List<AclBinding> rights(Path users) throws IOException {
        List<AclBinding> rights = new ArrayList<>();
        try (MappingIterator<JsonNode> documents = new ObjectMapper(new YAMLFactory()).readerFor(JsonNode.class)
                .readValues(users.toFile())) {
            JsonNode worker = documents.next();
            assertThat(worker.at("/metadata/name").asText()).isEqualTo("darkroom-worker");
            for (JsonNode right : worker.at("/spec/authorization/acls")) {
                for (JsonNode operation : right.get("operations")) {
                    rights.add(acl(ResourceType.fromString(right.at("/resource/type").asText()),
                            right.at("/resource/name").asText(), AclOperation.fromString(operation.asText())));
                }
            }
        }
        return rights;
    }

    @Test
    void probesAnswerWithinASecondAndNameNoAddressWhileTheStoreHangs() throws Exception {
        gate.stall();
        try {
            await().atMost(SOON).until(() -> {
                long start = System.nanoTime();
                HttpResponse<String> answer = ready();
                assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(1));
                return answer.statusCode() == 503;
            });
            assertThat(ready().body()).contains("The object store")
                    .doesNotContain("127.0.0.1", "localhost", String.valueOf(gate.endpoint().getPort()));
        } finally {
            gate.open();
        }
        await().atMost(SOON).until(() -> ready().statusCode() == 200);
    }

    private void assertTold(String sentence) throws Exception {
        await().atMost(SOON).until(() -> ready().body().contains(sentence));
        assertThat(ready().statusCode()).isEqualTo(503);
        assertThat(ready().body()).doesNotContain(stack.bootstrapServers());
    }

    /** Everything else stays allowed, since the test itself has no other name. */
    private void deny(ResourceType type, String name, AclOperation operation) throws Exception {
        topics.admin().createAcls(List.of(
                acl(type, name, AclOperation.ALL, AclPermissionType.ALLOW),
                acl(type, name, operation, AclPermissionType.DENY))).all().get();
    }

    private void allowAgain() throws Exception {
        topics.admin().deleteAcls(List.of(AclBindingFilter.ANY)).all().get();
    }

    private static AclBinding acl(ResourceType type, String name, AclOperation operation) {
        return acl(type, name, operation, AclPermissionType.ALLOW);
    }

    private static AclBinding acl(ResourceType type, String name, AclOperation operation, AclPermissionType permission) {
        return new AclBinding(new ResourcePattern(type, name, PatternType.LITERAL),
                new AccessControlEntry("User:ANONYMOUS", "*", operation, permission));
    }

    private HttpResponse<String> ready() throws IOException, InterruptedException {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(http.resolve("q/health/ready")).build(),
                HttpResponse.BodyHandlers.ofString());
    }
}
