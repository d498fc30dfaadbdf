package dev.darkroom.page;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.util.function.Supplier;

/**
 * Server-sent events: {@code changes} of requests, as they are heard of, and the {@code state} of everything else, every second.
 * A browser that comes back after a break names the last event that it has, and gets what came after it. One that is slower
 * than the events misses states, and gets several changes of a request as one.
 */
final class ChangeStream implements Handler<RoutingContext> {

    private static final long PERIOD_MS = 200;
    private static final int PERIODS_A_STATE = 5;
    private static final int CHANGES_AT_ONCE = 1000;

    private final Vertx vertx;
    private final LatestRequests requests;
    private final Supplier<ObjectNode> state;
    /** Versions of an earlier page process mean nothing to this one. */
    private final String epoch = Long.toString(System.currentTimeMillis(), 36);

    ChangeStream(Vertx vertx, LatestRequests requests, Supplier<ObjectNode> state) {
        this.vertx = vertx;
        this.requests = requests;
        this.state = state;
    }

    @Override
    public void handle(RoutingContext context) {
        HttpServerResponse response = context.response();
        response.putHeader("Content-Type", "text/event-stream");
        response.putHeader("Cache-Control", "no-store");
        response.setChunked(true);
        var connection = new Connection(response, known(context.request().getHeader("Last-Event-ID")));
        connection.tick();
        long timer = vertx.setPeriodic(PERIOD_MS, id -> connection.tick());
        response.closeHandler(closed -> vertx.cancelTimer(timer));
        response.exceptionHandler(failed -> vertx.cancelTimer(timer));
    }

    private long known(String lastEventId) {
        if (lastEventId != null && lastEventId.matches(epoch + "-\\d{1,18}")) {
            return Long.parseLong(lastEventId.substring(epoch.length() + 1));
        }
        return 0;
    }

    private final class Connection {

        private final HttpServerResponse response;
        private long version;
        private boolean fresh;
        private long ticks;

        Connection(HttpServerResponse response, long version) {
            this.response = response;
            this.version = version;
            fresh = version == 0;
        }

        void tick() {
            if (response.writeQueueFull()) {
                return;
            }
            LatestRequests.Changes changes = requests.since(version, CHANGES_AT_ONCE);
            while (fresh || !changes.requests().isEmpty()) {
                version = changes.version();
                ObjectNode json = JsonNodeFactory.instance.objectNode().put("all", fresh);
                ArrayNode all = json.putArray("requests");
                changes.requests().forEach(all::add);
                write("id: " + epoch + "-" + version + "\nevent: changes", json);
                fresh = false;
                if (changes.requests().size() < CHANGES_AT_ONCE || response.writeQueueFull()) {
                    break;
                }
                changes = requests.since(version, CHANGES_AT_ONCE);
            }
            if (ticks++ % PERIODS_A_STATE == 0) {
                write("event: state", state.get());
            }
        }

        private void write(String head, ObjectNode json) {
            response.write(head + "\ndata: " + json + "\n\n");
        }
    }
}
