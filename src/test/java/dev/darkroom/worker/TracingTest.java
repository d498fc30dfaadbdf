package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class TracingTest {

    private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
    private static final String PRODUCER = "00f067aa0ba902b7";

    private final InMemorySpanExporter spans = InMemorySpanExporter.create();
    private final OpenTelemetry sdk = OpenTelemetrySdk.builder()
            .setTracerProvider(SdkTracerProvider.builder().addSpanProcessor(SimpleSpanProcessor.create(spans)).build())
            .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
            .build();
    private final Tracing tracing = new Tracing(sdk);

    @Test
    void aRequestsSpanContinuesTheTraceOfItsProducer() {
        tracing.end(span(tracing, requestHeaders()), "completed", false);

        SpanData span = spans.getFinishedSpanItems().get(0);
        assertThat(span.getTraceId()).isEqualTo(TRACE);
        assertThat(span.getParentSpanId()).isEqualTo(PRODUCER);
        assertThat(span.getName()).isEqualTo("process darkroom.requests");
        assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.UNSET);
    }

    @Test
    void stagesAreItsChildrenWithTheirOwnTimes() {
        Span request = span(tracing, requestHeaders());
        Instant start = Instant.parse("2026-01-01T00:00:00Z");
        tracing.stage(request, "denoising", start, start.plusMillis(300));

        SpanData stage = spans.getFinishedSpanItems().get(0);
        assertThat(stage.getParentSpanId()).isEqualTo(request.getSpanContext().getSpanId());
        assertThat(stage.getEndEpochNanos() - stage.getStartEpochNanos()).isEqualTo(300_000_000);
    }

    @Test
    void eventsCarryTheRequestsSpanAsParent() {
        Span request = span(tracing, requestHeaders());
        Headers event = new RecordHeaders();
        tracing.inject(request, requestHeaders(), event);

        assertThat(new String(event.lastHeader("traceparent").value(), StandardCharsets.UTF_8))
                .isEqualTo("00-" + TRACE + "-" + request.getSpanContext().getSpanId() + "-01");
    }

    @Test
    void aFailureMarksTheSpan() {
        tracing.end(span(tracing, requestHeaders()), "failed", true);

        assertThat(spans.getFinishedSpanItems().get(0).getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    }

    @Test
    void withoutTracingTheContextIsPassedOnAsItCame() {
        Tracing off = new Tracing(OpenTelemetry.noop());
        Headers event = new RecordHeaders();
        off.inject(span(off, requestHeaders()), requestHeaders(), event);

        assertThat(new String(event.lastHeader("traceparent").value(), StandardCharsets.UTF_8))
                .isEqualTo("00-" + TRACE + "-" + PRODUCER + "-01");
    }

    @Test
    void aBrokenContextStartsATraceOfItsOwn() {
        Headers headers = new RecordHeaders();
        headers.add("traceparent", new byte[] {(byte) 0xff, 0});
        headers.add("traceparent", null);

        assertThat(span(tracing, headers).getSpanContext().isValid()).isTrue();
    }

    private static Headers requestHeaders() {
        Headers headers = new RecordHeaders();
        headers.add("traceparent", ("00-" + TRACE + "-" + PRODUCER + "-01").getBytes(StandardCharsets.UTF_8));
        return headers;
    }

    private static Span span(Tracing tracing, Headers headers) {
        return tracing.start(Records.record(headers));
    }
}
