package dev.darkroom.page;

import io.vertx.core.Handler;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;

/**
 * Lets through what this page's own script asks, and what a person asks of this machine by its own names. A page from elsewhere
 * may make a browser send requests here: with another {@code Host}, where its name was made to point to this machine (DNS
 * rebinding), or with this one, and then with its own {@code Origin}, and without the header that no form and no image can set.
 * What is answered may run this page's scripts alone, and be shown in no other page.
 */
final class LoopbackOnly implements Handler<RoutingContext> {

    /** Every request that changes something has it; its value does not matter. */
    static final String HEADER = "X-Darkroom";

    private static final String CONTENT_SECURITY_POLICY = String.join("; ",
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
            "form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'",
            "require-trusted-types-for 'script'", "trusted-types lit-html");

    @Override
    public void handle(RoutingContext context) {
        HttpServerRequest request = context.request();
        HttpServerResponse response = context.response();
        response.putHeader("Content-Security-Policy", CONTENT_SECURITY_POLICY);
        response.putHeader("X-Content-Type-Options", "nosniff");
        response.putHeader("Referrer-Policy", "no-referrer");
        response.putHeader("Cross-Origin-Resource-Policy", "same-origin");
        response.putHeader("Cross-Origin-Opener-Policy", "same-origin");
        String host = request.getHeader("Host");
        int port = request.localAddress().port();
        if (!("localhost:" + port).equals(host) && !("127.0.0.1:" + port).equals(host)) {
            throw new Refusal(403, "", "This page answers to localhost:%d and 127.0.0.1:%d alone.".formatted(port, port));
        }
        if (!request.method().equals(HttpMethod.GET) && !request.method().equals(HttpMethod.HEAD)) {
            String origin = request.getHeader("Origin");
            if (origin != null && !origin.equals("http://" + host)) {
                throw new Refusal(403, "", "Another page may not send anything from here.");
            }
            if (request.getHeader(HEADER) == null) {
                throw new Refusal(403, "", "The header %s is missing.".formatted(HEADER));
            }
        }
        context.next();
    }
}
