package dev.darkroom.page;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.Events;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.worker.image.PictureFormat;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.MinioImageStore;
import dev.darkroom.worker.store.StorageException;
import dev.darkroom.worker.store.StoreSettings;
import io.quarkus.qute.Engine;
import io.quarkus.qute.HtmlEscaper;
import io.quarkus.qute.ReflectionValueResolver;
import io.quarkus.qute.Variant;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import io.vertx.ext.web.handler.HttpException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.jboss.logging.Logger;

/**
 * The page's server, on this machine's loopback address. It keeps {@value LatestRequests#LIMIT} requests in memory and nothing
 * else; the browser keeps as many.
 */
public final class Page implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(Page.class);

    private static final String LOOPBACK = "127.0.0.1";
    private static final int MAX_REQUEST_BYTES = 64 * 1024;
    /** More than any image of a worker takes. */
    private static final int MAX_IMAGE_BYTES = 64 * 1024 * 1024;
    private static final Map<String, String> TYPES = Map.of("css", "text/css; charset=utf-8",
            "js", "text/javascript; charset=utf-8", "svg", "image/svg+xml");
    private static final ObjectMapper JSON = new ObjectMapper();

    private final PageSettings settings;
    private final LatestRequests requests = new LatestRequests();
    private final Throughput throughput = new Throughput();
    private final DeadLetters letters = new DeadLetters();
    private final ImageStore store;
    private final TopicFollower follower;
    private final GroupLag lag;
    private final Sender sender;
    private final Vertx vertx;
    private final HttpServer server;

    private Page(PageSettings settings, Consumer<byte[], byte[]> consumer, Producer<String, byte[]> producer, Admin admin) {
        this.settings = settings;
        store = new MinioImageStore(settings.store());
        follower = new TopicFollower(consumer, settings, requests, throughput, letters);
        lag = new GroupLag(admin, settings, requests);
        sender = new Sender(producer, settings, settings.pictures().map(bucket -> new MinioImageStore(inBucket(bucket))));
        // It reads no files, so it needs no folder to unpack them to
        vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setFileSystemOptions(
                new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
        // Browsers speak HTTP/1.1 without TLS
        server = vertx.createHttpServer(new HttpServerOptions().setHttp2ClearTextEnabled(false));
    }

    /**
     * Starts serving. Neither broker nor store need be there: the page says what it misses.
     *
     * @param consumer in no group, creates no topics, and begins where there is nothing left to resume at the earliest record
     * @throws BindException if the port is taken
     */
    public static Page start(PageSettings settings, Consumer<byte[], byte[]> consumer, Producer<String, byte[]> producer,
            Admin admin) throws BindException {
        Page page = new Page(settings, consumer, producer, admin);
        try {
            page.listen();
        } catch (BindException | RuntimeException e) {
            page.close();
            throw e;
        }
        page.follower.start();
        page.lag.start();
        return page;
    }

    private StoreSettings inBucket(String bucket) {
        StoreSettings all = settings.store();
        return new StoreSettings(all.endpoint(), all.publicEndpoint(), all.region(), bucket, "", all.keys(), all.encryption(),
                all.authorities(), all.pathStyle(), false, all.connectTimeout(), all.readTimeout());
    }

    private void listen() throws BindException {
        server.requestHandler(router());
        try {
            server.listen(settings.port(), LOOPBACK).toCompletionStage().toCompletableFuture().join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof BindException taken) {
                throw taken;
            }
            throw e;
        }
    }

    /** Where the page is, as {@code http://localhost:19080/}. */
    public String address() {
        return "http://localhost:" + server.actualPort() + "/";
    }

    /** Why nothing is read from the topics, in a sentence; empty if all is well. */
    public String problem() {
        return follower.problem();
    }

    private Router router() {
        Router router = Router.router(vertx);
        String page = render();
        router.route().handler(new LoopbackOnly());
        router.get("/").handler(context -> context.response()
                .putHeader("Content-Type", "text/html; charset=utf-8")
                .putHeader("Cache-Control", "no-store")
                .end(page));
        router.getWithRegex("/(assets(?:/[a-z-]+)+\\.(?:css|js|svg))")
                .handler(context -> asset(context, context.pathParam("param0")));
        router.get("/changes").handler(new ChangeStream(vertx, requests, this::state));
        router.get("/requests/:id").handler(context -> answer(context, () -> documents(context.pathParam("id"))));
        router.get("/requests/:id/images/:index").handler(this::image);
        router.post("/requests").handler(BodyHandler.create(false).setBodyLimit(MAX_REQUEST_BYTES)).handler(context -> {
            boolean express = "express".equals(context.request().getParam("lane"));
            answer(context, () -> sender.request(body(context), express));
        });
        router.post("/cancellations").handler(BodyHandler.create(false).setBodyLimit(MAX_REQUEST_BYTES))
                .handler(context -> answer(context, () -> sender.cancellation(body(context))));
        router.post("/pictures").handler(BodyHandler.create(false).setBodyLimit(settings.maxPictureBytes()))
                .handler(context -> answer(context, () -> sender.picture(body(context))));
        router.route().failureHandler(this::tellFailure);
        router.errorHandler(404, this::tellFailure);
        return router;
    }

    /** The page is the same for whoever asks: what changes comes with the stream. */
    private String render() {
        Engine engine = Engine.builder().addDefaults().addValueResolver(new ReflectionValueResolver())
                .addResultMapper(new HtmlEscaper(List.of(Variant.TEXT_HTML))).build();
        String template = new String(resource("page.html").orElseThrow(), StandardCharsets.UTF_8);
        return engine.parse(template, Variant.forContentType(Variant.TEXT_HTML))
                .data("profiles", Profile.all().stream().map(Profile::label).toList())
                .data("brokers", settings.bootstrapServers())
                .data("requests", settings.topics().requests())
                .data("express", settings.topics().express())
                .data("bucket", settings.store().bucket())
                .data("pictures", settings.pictures().orElse(""))
                .data("limit", LatestRequests.LIMIT)
                .data("header", LoopbackOnly.HEADER)
                .render();
    }

    private static Optional<byte[]> resource(String name) {
        try (InputStream in = Page.class.getResourceAsStream(name)) {
            return in == null ? Optional.empty() : Optional.of(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void asset(RoutingContext context, String name) {
        resource(name).ifPresentOrElse(content -> context.response()
                .putHeader("Content-Type", TYPES.get(name.substring(name.lastIndexOf('.') + 1)))
                .putHeader("Cache-Control", "no-cache")
                .end(Buffer.buffer(content)), () -> context.fail(404));
    }

    private ObjectNode state() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("now", System.currentTimeMillis());
        json.put("problem", follower.problem());
        lag.of(settings.topics().requests()).ifPresent(records -> json.put("lag", records));
        lag.of(settings.topics().express()).ifPresent(records -> json.put("expressLag", records));
        ObjectNode counts = json.putObject("counts");
        requests.counts().forEach((state, count) -> counts.put(state.label(), count));
        throughput.tell(json, System.currentTimeMillis());
        letters.tell(json.putArray("deadLetters"));
        return json;
    }

    private ObjectNode documents(String id) throws IOException {
        LatestRequests.Documents documents = requests.documents(id).orElseThrow(() -> unknown(id));
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        if (documents.request().isPresent()) {
            json.set("request", JSON.readTree(documents.request().get()));
        }
        if (documents.outcome().isPresent()) {
            json.set("outcome", JSON.readTree(Events.toStructured(documents.outcome().get())));
        }
        return json;
    }

    private static Refusal unknown(String id) {
        return new Refusal(404, "", "The page does not know of %s, or not any more: it keeps the latest %d requests."
                .formatted(id, LatestRequests.LIMIT));
    }

    private static byte[] body(RoutingContext context) {
        Buffer body = context.body().buffer();
        return body == null ? new byte[0] : body.getBytes();
    }

    private void answer(RoutingContext context, Callable<ObjectNode> question) {
        vertx.executeBlocking(question, false).onFailure(context::fail).onSuccess(json -> context.response()
                .putHeader("Content-Type", "application/json").putHeader("Cache-Control", "no-store").end(json.toString()));
    }

    /** Fetches what an event names, from the store's bucket and from nowhere else. */
    private void image(RoutingContext context) {
        String id = context.pathParam("id");
        String index = context.pathParam("index");
        vertx.executeBlocking(() -> {
            Completed.Image image = (index.matches("\\d{1,2}") ? requests.image(id, Integer.parseInt(index))
                    : Optional.<Completed.Image>empty()).orElseThrow(() -> unknown(id + ", image " + index));
            if (!image.bucket().equals(settings.store().bucket())) {
                throw new Refusal(404, "", "The image lies in the bucket %s, and the page looks into %s alone."
                        .formatted(image.bucket(), settings.store().bucket()));
            }
            byte[] file = store.read(image.bucket(), image.key(), MAX_IMAGE_BYTES).orElseThrow(() ->
                    new Refusal(404, "", "The store has no %s any more.".formatted(image.key())));
            String type = PictureFormat.of(file).map(PictureFormat::mediaType).orElseThrow(() ->
                    new Refusal(502, "", "%s in the store is no image.".formatted(image.key())));
            return Map.entry(type, Buffer.buffer(file));
        }, false).onFailure(context::fail).onSuccess(file -> context.response()
                .putHeader("Content-Type", file.getKey())
                // Its address has a part of its digest
                .putHeader("Cache-Control", "private, max-age=86400, immutable")
                .end(file.getValue()));
    }

    private void tellFailure(RoutingContext context) {
        Throwable failure = context.failure();
        int status = context.statusCode() > 0 ? context.statusCode() : 500;
        String sentence = "The page failed. Its log says why.";
        String field = "";
        if (failure instanceof Refusal refusal) {
            status = refusal.status();
            sentence = refusal.getMessage();
            field = refusal.field();
        } else if (failure instanceof StorageException away) {
            status = 502;
            sentence = "The store: " + away.getMessage() + ".";
        } else if (status == 413) {
            sentence = "It is too long: a picture may have %d bytes, a request %d."
                    .formatted(settings.maxPictureBytes(), MAX_REQUEST_BYTES);
        } else if (status == 404) {
            sentence = "There is no such page.";
        } else if (failure != null && !(failure instanceof HttpException)) {
            LOG.warnf(failure, "page=failed method=%s path=%s", context.request().method(), context.request().path());
        }
        if (!context.response().ended()) {
            context.response().setStatusCode(status).putHeader("Content-Type", "application/json")
                    .putHeader("Cache-Control", "no-store")
                    .end(JsonNodeFactory.instance.objectNode().put("message", sentence).put("field", field).toString());
        }
    }

    /** Stops serving and reading. */
    @Override
    public void close() {
        vertx.close().toCompletionStage().toCompletableFuture().join();
        follower.close();
        lag.close();
        sender.close();
        store.close();
    }
}
