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
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.StreamSupport;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/**
 * One span a request, from its record to its outcome, with a child for each stage. The request's W3C trace context is
 * passed on to every event of it, also where tracing is switched off.
 */
@ApplicationScoped
class Tracing {

    private static final List<String> W3C_HEADERS = List.of("traceparent", "tracestate");

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

    Tracing(OpenTelemetry openTelemetry) {
        this.tracer = openTelemetry.getTracer("dev.darkroom");
        this.propagator = openTelemetry.getPropagators().getTextMapPropagator();
        this.enabled = !propagator.fields().isEmpty();
    }

    /** Starts the span of a request. */
    Span start(String topic, int partition, long offset, Headers headers) {
        return tracer.spanBuilder("process " + topic)
                .setParent(propagator.extract(Context.root(), headers, GETTER))
                .setSpanKind(SpanKind.CONSUMER)
                .setAttribute("messaging.system", "kafka")
                .setAttribute("messaging.destination.name", topic)
                .setAttribute("messaging.destination.partition.id", Integer.toString(partition))
                .setAttribute("messaging.kafka.offset", offset)
                .startSpan();
    }

    /** Records a stage that is over, as a child of the request's span. */
    void stage(SourceRecord source, String stage, Instant start, Instant end) {
        tracer.spanBuilder(stage)
                .setParent(Context.root().with(source.span()))
                .setStartTimestamp(start)
                .startSpan()
                .end(end);
    }

    /** Ends the span of a request. */
    void end(SourceRecord source, String outcome, boolean error) {
        source.span().setAttribute("darkroom.outcome", outcome);
        if (error) {
            source.span().setStatus(StatusCode.ERROR, outcome);
        }
        source.span().end();
    }

    /** Puts the request's trace context into the headers of an event. */
    void inject(SourceRecord source, Headers headers) {
        if (enabled) {
            propagator.inject(Context.root().with(source.span()), headers,
                    (carrier, key, value) -> carrier.add(key, value.getBytes(StandardCharsets.UTF_8)));
        } else {
            StreamSupport.stream(source.headers().spliterator(), false)
                    .filter(header -> W3C_HEADERS.contains(header.key()))
                    .forEach(headers::add);
        }
    }
}
