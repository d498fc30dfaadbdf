package dev.darkroom.worker.store;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;

/** Passes requests on to a real store, but for those that it answers with an S3 error of its own. */
public final class RefusingProxy implements AutoCloseable {

    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final OkHttpClient client = new OkHttpClient();
    private final URI store;
    private final Function<HttpExchange, Refusal> refusals;

    /** An S3 error: HTTP status and S3's code. */
    public record Refusal(int status, String code) {
    }

    /** @param refusals the error that answers a request; null to pass it on */
    public RefusingProxy(URI store, Function<HttpExchange, Refusal> refusals) throws IOException {
        this.store = store;
        this.refusals = refusals;
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
    }

    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            Refusal refusal = refusals.apply(exchange);
            if (refusal == null) {
                pass(exchange, body);
            } else {
                byte[] answer = "<Error><Code>%s</Code><Message>refused by the test</Message></Error>"
                        .formatted(refusal.code()).getBytes(StandardCharsets.UTF_8);
                exchange.getResponseHeaders().add("Content-Type", "application/xml");
                exchange.sendResponseHeaders(refusal.status(), answer.length);
                exchange.getResponseBody().write(answer);
            }
        }
    }

    private void pass(HttpExchange exchange, byte[] body) throws IOException {
        String method = exchange.getRequestMethod();
        var request = new Request.Builder().url(store.resolve(exchange.getRequestURI()).toString());
        // the signature covers the Host header, so it goes along unchanged
        exchange.getRequestHeaders().forEach((name, values) -> values.forEach(value -> request.addHeader(name, value)));
        boolean bodiless = method.equals("GET") || method.equals("HEAD");
        request.method(method, bodiless ? null : RequestBody.create(body, null));
        try (var response = client.newCall(request.build()).execute()) {
            byte[] answer = response.body().bytes();
            response.headers().forEach(header -> {
                if (!header.getFirst().equalsIgnoreCase("Transfer-Encoding")) {
                    exchange.getResponseHeaders().add(header.getFirst(), header.getSecond());
                }
            });
            exchange.sendResponseHeaders(response.code(), answer.length == 0 ? -1 : answer.length);
            exchange.getResponseBody().write(answer);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
        client.dispatcher().executorService().shutdownNow();
        client.connectionPool().evictAll();
    }
}
