package dev.darkroom.worker;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/**
 * One span a request, from its record to its outcome, with a child for each stage. The request's W3C trace context is
 * passed on to every event of it, also where tracing is switched off.
 */
@ApplicationScoped
public class Tracing {

    /** The headers of W3C's trace context. */
    public static final List<String> W3C_HEADERS = List.of("traceparent", "tracestate");

    private static final TextMapGetter<Headers> GETTER = new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(Headers headers) {
            return Arrays.stream(headers.toArray()).map(Header::key).toList();
        }

        @Override
        public String get(Headers headers, String key) {
            Header header = headers == null ? null : headers.lastHeader(key);
            return header == null || header.value() == null
                    ? null
                    : new String(header.value(), StandardCharsets.UTF_8);
        }
    };

    private final Tracer tracer;
    private final TextMapPropagator propagator;
    private final boolean enabled;

    /** @param disabled whether nobody records spans; the SDK makes them all the same, and the context would change */
    @Inject
    Tracing(OpenTelemetry openTelemetry, @ConfigProperty(name = "quarkus.otel.sdk.disabled") boolean disabled) {
        this.tracer = openTelemetry.getTracer("dev.darkroom");
        this.propagator = openTelemetry.getPropagators().getTextMapPropagator();
        this.enabled = !disabled && !propagator.fields().isEmpty();
    }

    /** Traces as far as there is something that does. */
    public Tracing(OpenTelemetry openTelemetry) {
        this(openTelemetry, false);
    }

    /** Starts the span of the request that a record brings. */
    public Span start(ConsumerRecord<?, ?> record) {
        return tracer.spanBuilder("process " + record.topic())
                .setParent(propagator.extract(Context.root(), record.headers(), GETTER))
                .setSpanKind(SpanKind.CONSUMER)
                .setAttribute("messaging.system", "kafka")
                .setAttribute("messaging.destination.name", record.topic())
                .setAttribute("messaging.destination.partition.id", Integer.toString(record.partition()))
                .setAttribute("messaging.kafka.offset", record.offset())
                .startSpan();
    }

    /** Records a stage that is over, as a child of the request's span. */
    public void stage(Span request, String stage, Instant start, Instant end) {
        tracer.spanBuilder(stage)
                .setParent(Context.root().with(request))
                .setStartTimestamp(start)
                .startSpan()
                .end(end);
    }

    /** Ends the span of a request. */
    public void end(Span request, String outcome, boolean error) {
        request.setAttribute("darkroom.outcome", outcome);
        if (error) {
            request.setStatus(StatusCode.ERROR, outcome);
        }
        request.end();
    }

    /**
     * Puts the request's trace context into the headers of an event.
     *
     * @param received the headers of the request's record
     */
    public void inject(Span request, Headers received, Headers event) {
        if (enabled) {
            propagator.inject(Context.root().with(request), event,
                    (carrier, key, value) -> carrier.add(key, value.getBytes(StandardCharsets.UTF_8)));
        } else {
            StreamSupport.stream(received.spliterator(), false)
                    .filter(header -> W3C_HEADERS.contains(header.key()))
                    .forEach(event::add);
        }
    }
}
