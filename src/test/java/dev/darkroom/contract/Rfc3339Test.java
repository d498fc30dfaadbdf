package dev.darkroom.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Rfc3339Test {

    @ParameterizedTest
    @CsvSource({
        "2026-01-31T12:00:00Z,2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z,2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00-00:00,2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.1234567891+00:00,2026-01-31T12:00:00.123456789Z",
        "2026-01-31T12:00:00.5+23:59,2026-01-30T12:01:00.5Z",
        "2026-01-31T12:00:00-19:30,2026-02-01T07:30:00Z",
        "2024-02-29T23:59:59Z,2024-02-29T23:59:59Z"
    })
    void whatRfc3339AllowsIsReadAndTheSchemaAgrees(String text, Instant moment) {
        assertThat(Rfc3339.parse(text)).isEqualTo(moment);
        assertThat(read(text)).isInstanceOfSatisfying(ReadResult.Understood.class, understood ->
                assertThat(understood.request().deadline()).contains(moment));
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-01-31 12:00:00Z", "2026-01-31T12:00:00", "2026-02-29T12:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+01:60", "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00123Z", "2026-01-31T12:00:00+0100", "20260131T120000Z"})
    void whatItDoesNotAllowIsRefusedAndTheSchemaAgrees(String text) {
        assertThatExceptionOfType(DateTimeException.class).isThrownBy(() -> Rfc3339.parse(text));
        assertThat(read(text)).isInstanceOfSatisfying(ReadResult.Refused.class, refused ->
                assertThat(refused.message()).startsWith("deadline must be an RFC 3339 date and time").contains(text));
    }

    private static ReadResult read(String deadline) {
        return new RequestReader().read("{\"requestId\": \"r\", \"prompt\": \"p\", \"deadline\": \"%s\"}".formatted(deadline)
                .getBytes(StandardCharsets.UTF_8));
    }
}
