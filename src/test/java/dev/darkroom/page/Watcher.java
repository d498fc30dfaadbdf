package dev.darkroom.page;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Reads the stream of changes as a browser does. */
final class Watcher implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, JsonNode> requests = new ConcurrentHashMap<>();
    private final List<String> heard = new CopyOnWriteArrayList<>();
    private final InputStream stream;
    private volatile JsonNode state = JSON.createObjectNode();
    private volatile String lastEventId = "";

    /** @param lastEventId empty for the first time */
    Watcher(String address, String lastEventId) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(address + "changes"));
        if (!lastEventId.isEmpty()) {
            request.header("Last-Event-ID", lastEventId);
        }
        try {
            HttpResponse<InputStream> response = HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofInputStream());
            stream = response.body();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        Thread reader = new Thread(this::read, "watcher");
        reader.setDaemon(true);
        reader.start();
    }

    private void read() {
        String event = "";
        try (Stream<String> lines = new BufferedReader(
                new InputStreamReader(stream, StandardCharsets.UTF_8)).lines()) {
            for (String line : (Iterable<String>) lines::iterator) {
                if (line.startsWith("id: ")) {
                    lastEventId = line.substring(4);
                } else if (line.startsWith("event: ")) {
                    event = line.substring(7);
                } else if (line.startsWith("data: ")) {
                    JsonNode data = JSON.readTree(line.substring(6));
                    if (event.equals("state")) {
                        state = data;
                    } else {
                        data.path("requests").forEach(request -> {
                            heard.add(request.path("id").asText() + " " + request.path("state").asText());
                            requests.put(request.path("id").asText(), request);
                        });
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (UncheckedIOException e) {
            // Closed
        }
    }

    /** Waits until a request is as it should be. */
    JsonNode awaitRequest(String id, Predicate<JsonNode> condition) {
        await("request " + id).atMost(Duration.ofSeconds(20)).pollInterval(Duration.ofMillis(20))
                .until(() -> requests.containsKey(id) && condition.test(requests.get(id)));
        return requests.get(id);
    }

    JsonNode awaitState(Predicate<JsonNode> condition) {
        await("state").atMost(Duration.ofSeconds(20)).pollInterval(Duration.ofMillis(20)).until(() -> condition.test(state));
        return state;
    }

    /** Every change, as {@code order-4711 completed}, in the order in which they came. */
    List<String> heard() {
        return heard;
    }

    String lastEventId() {
        return lastEventId;
    }

    @Override
    public void close() {
        try {
            stream.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
