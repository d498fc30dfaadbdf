package dev.darkroom.contract;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16BE;
import static java.nio.charset.StandardCharsets.UTF_16LE;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Malformed and hostile records, always the same ones in the same order, each with what must become of it. */
public final class HostileRecords {

    /** What must become of a record. */
    public enum Fate {
        /** Nobody to answer: the dead-letter topic. */
        DEAD_LETTER,
        /** A failed event, {@link FailureReason#INVALID_REQUEST}, on the record's request id. */
        INVALID,
        /** Valid, but no model offers it: a failed event, {@link FailureReason#UNSUPPORTED_PARAMETERS}. */
        UNSUPPORTED
    }

    /**
     * A record.
     *
     * @param name what is wrong with it
     * @param key the record's key; may be null
     * @param value the record's value; may be null
     * @param headers the record's headers
     * @param requestId the request id that a failed event must bear, unique among these records; null for a dead letter
     * @param fate what must become of it
     */
    public record Hostile(String name, byte[] key, byte[] value, List<Header> headers, String requestId, Fate fate) {

        @Override
        public String toString() {
            return fate + " " + name;
        }
    }

    private static final String REST = ", \"prompt\": \"a red apple\"}";
    private static final String TYPE = EventType.REQUESTED.type();

    private final List<Hostile> records = new ArrayList<>();
    private final Random random = new Random(4711);

    private HostileRecords() {
        notJson();
        truncated();
        structureBroken();
        notAnObject();
        requestIds();
        wrongTypes();
        numbers();
        sizesThatNoModelOffers();
        names();
        pictures();
        deadlines();
        texts();
        nesting();
        huge();
        metadata();
        unknownFields();
        duplicateFields();
        encodings();
        noise();
        tombstones();
        binaryHeaders();
        structuredMode();
    }

    /** All of them, more than 500. */
    public static Stream<Hostile> stream() {
        return new HostileRecords().records.stream();
    }

    private void notJson() {
        for (String text : List.of("hello", "<request/>", "{", "}", "[", "]", "\"", ":", ",", "{]", "[}", "{,}", "{:}",
                "tru", "nul", "True", "None", "NaN", "Infinity", "-", "+1", "01", "1.", ".5", "0x10", "'a'", "undefined",
                "{requestId: 1}", "{'requestId': 'a', 'prompt': 'b'}", "{\"a\"}", "{\"a\":}", "{\"a\": 1,}", "[1,]",
                "// comment", "/* comment */ {}", "{} {}", "{}{}", "{}, {}", "requestId=a&prompt=b", "---\nrequestId: a",
                "$(reboot)", "'; DROP TABLE requests; --", "%s%s%s%n", "{\"a\": \"\\x41\"}", "{\"a\": \"\\u12\"}",
                "{\"a\": \"\n\"}", "{\"a\": \"\t\"}", "\u0000", "{\u0000}", "\u001b[2J", "GET / HTTP/1.1\r\n\r\n")) {
            deadLetter("not JSON: " + text, text);
        }
        deadLetter("two requests in one record", valid("two-a") + valid("two-b"));
        deadLetter("a request and garbage", valid("garbage") + "garbage");
        deadLetter("JSON lines", valid("lines-a") + "\n" + valid("lines-b"));
    }

    private void truncated() {
        String whole = "{\"requestId\": \"cut\", \"prompt\": \"a red apple\", \"guidance\": {\"scale\": 7.5},"
                + " \"metadata\": {\"k\": \"v\"}}";
        for (int length = 1; length < whole.length(); length++) {
            deadLetter("truncated after " + length, whole.substring(0, length));
        }
    }

    private void structureBroken() {
        String whole = valid("broken");
        for (int i = 0; i < whole.length(); i++) {
            if ("{}\":,".indexOf(whole.charAt(i)) >= 0) {
                deadLetter("without the " + whole.charAt(i) + " at " + i,
                        whole.substring(0, i) + whole.substring(i + 1));
            }
        }
    }

    private void notAnObject() {
        for (String text : List.of("null", "true", "false", "0", "-1.5e3", "1e400", "\"text\"", "[]", "[[]]", "[{}]",
                "[" + valid("array") + "]", "{}", "{\"a\": 1}", "\"{}\"", " \n\t ")) {
            deadLetter("not a request: " + text, text);
        }
    }

    private void requestIds() {
        for (String json : List.of("null", "true", "7", "7.5", "[]", "{}", "[\"a\"]", "{\"a\": \"b\"}", "\"\"", "\" \"",
                "\"../../etc/passwd\"", "\"..\\\\..\\\\windows\"", "\"/etc/passwd\"", "\"a/b\"", "\"a\\\\b\"",
                "\"%2e%2e%2f\"", "\"%00\"", "\"a\\u0000\"", "\"\\u0000\"", "\"a.png\\u0000.exe\"", "\"a\\n\"", "\"\\na\"",
                "\"a\\r\\nb\"", "\"a b\"", "\"a\\tb\"", "\"a:b\"", "\"a*\"", "\"a?b\"", "\"a#b\"", "\"a&b\"", "\"~\"",
                "\"$HOME\"", "\"${jndi:ldap://example.com/a}\"", "\"`id`\"", "\"a;b\"", "\"a|b\"", "\"<b>\"", "\"a'b\"",
                "\"a\\\"b\"", "\"\\u0430dmin\"", "\"\\uff0e\\uff0e\\uff0f\"", "\"\\u2024\\u2024\\u2215\"", "\"\\u202eabc\"",
                "\"\\u200b\"", "\"\\ufeffa\"", "\"\\ud800\"", "\"e\\u0301\"", "\"\\u0661\\u0662\"", "\"🍎\"", "\"é\"")) {
            deadLetter("request id " + json, "{\"requestId\": " + json + REST);
        }
        deadLetter("request id of 65 characters", valid("a".repeat(65)));
        deadLetter("request id of 60,000 characters", valid("a".repeat(60_000)));
        deadLetter("request id of 30,000 dots and slashes", valid("../".repeat(10_000)));
        deadLetter("no request id", "{\"prompt\": \"a red apple\"}");
        deadLetter("request id in capitals", "{\"REQUESTID\": \"a\"" + REST);
    }

    private void wrongTypes() {
        Map<String, List<String>> rightTypes = Map.ofEntries(
                Map.entry("prompt", List.of("text")), Map.entry("negativePrompt", List.of("text")),
                Map.entry("profile", List.of("text")), Map.entry("width", List.of("number")),
                Map.entry("height", List.of("number")), Map.entry("steps", List.of("number")),
                Map.entry("scheduler", List.of("text")), Map.entry("guidance", List.of("object")),
                Map.entry("guidance.scale", List.of("number")), Map.entry("guidance.cutoff", List.of("number")),
                Map.entry("decoder", List.of("text")), Map.entry("promptSyntax", List.of("text")),
                Map.entry("seed", List.of("number")),
                Map.entry("count", List.of("number")), Map.entry("output", List.of("object")),
                Map.entry("output.format", List.of("text")), Map.entry("deadline", List.of("text")),
                Map.entry("metadata", List.of("object")), Map.entry("metadata.k", List.of("text")));
        Map<String, String> values = Map.of("null", "null", "boolean", "true", "number", "2", "text", "\"2\"",
                "array", "[2]", "object", "{\"2\": 2}");
        rightTypes.keySet().stream().sorted().forEach(field -> values.keySet().stream().sorted()
                .filter(type -> !rightTypes.get(field).contains(type))
                .forEach(type -> invalid(field + " is " + type, field, values.get(type))));
        invalid("prompt is missing", id -> "{\"requestId\": \"" + id + "\"}");
        invalid("prompt is spelt in capitals", id -> "{\"requestId\": \"" + id + "\", \"PROMPT\": \"a\"}");
    }

    private void numbers() {
        for (String field : List.of("width", "height", "steps", "count")) {
            for (String number : List.of("0", "-1", "-8", "1.5", "63.999", "9999", "65536", "2147483647", "2147483648",
                    "-2147483649", "4294967297", "4294967808", "9223372036854775807", "18446744073709551617", "1e9", "1e308",
                    "1e400", "-1e400", "1e999999999", "1e-400", "1" + "0".repeat(900))) {
                invalid(field + " " + shortened(number), field, number);
            }
        }
        for (String number : List.of("1", "8", "56", "65", "100.5", "2049", "2056")) {
            invalid("width " + number, "width", number);
            invalid("height " + number, "height", number);
        }
        for (String number : List.of("151", "1000", "20.000000001")) {
            invalid("steps " + number, "steps", number);
        }
        for (String number : List.of("9223372036854775808", "-9223372036854775809", "18446744073709551615", "0.5", "1e400",
                "-1e400", "1e3", "9.3e18", "1e999999999", "9" + "0".repeat(900))) {
            invalid("seed " + shortened(number), "seed", number);
        }
        for (String number : List.of("-0.001", "50.001", "1e308", "1e400", "-1e400", "1e999999999")) {
            invalid("guidance.scale " + number, "guidance.scale", number);
        }
        for (String number : List.of("-0.001", "1.001", "40", "1e308", "1e400", "-1e400")) {
            invalid("guidance.cutoff " + number, "guidance.cutoff", number);
        }
        deadLetter("seed of 5,000 digits", with("digits", "seed", "1".repeat(5_000)));
        deadLetter("guidance.scale of 60,000 decimals", with("decimals", "guidance.scale", "0." + "1".repeat(60_000)));
    }

    private void sizesThatNoModelOffers() {
        for (int[] size : new int[][] {{2048, 2048}, {64, 2048}, {2048, 64}, {72, 72}, {1992, 2040}, {1000, 1000}}) {
            String id = "hostile-size-" + size[0] + "x" + size[1];
            add("size " + size[0] + "x" + size[1], ("{\"requestId\": \"" + id + "\", \"width\": " + size[0]
                    + ", \"height\": " + size[1] + REST).getBytes(UTF_8), List.of(), id, Fate.UNSUPPORTED);
        }
    }

    private void names() {
        for (String profile : List.of("", " ", "Final", "FINAL", " final", "final ", "final\\n", "final\\u0000", "fin\\u0430l",
                "../final", "final;baseline", "*", "null", "default", "turbo", "fp8", "profile", "0", "compiled-", "euler_20",
                "\\ud800", "final final", "x".repeat(10_000))) {
            invalid("profile " + shortened(profile), "profile", "\"" + profile + "\"");
        }
        for (String scheduler : List.of("", "Euler-Ancestral", "eulers", "euler a", "ddpm", "dpmpp-2m\\n", "dpmpp_2m", "plms",
                "EulerAncestralDiscreteScheduler", "os.system")) {
            invalid("scheduler " + scheduler, "scheduler", "\"" + scheduler + "\"");
        }
        for (String syntax : List.of("", "PLAIN", "weighted ", "a1111", "compel", "plain,weighted", "none")) {
            invalid("promptSyntax " + syntax, "promptSyntax", "\"" + syntax + "\"");
        }
        for (String decoder : List.of("", "FULL", "vae", "taesd", "tiny ", "full,tiny")) {
            invalid("decoder " + decoder, "decoder", "\"" + decoder + "\"");
        }
        for (String format : List.of("", "PNG", "png\\n", ".png", "gif", "svg", "exe", "jpg", "image/png", "../png")) {
            invalid("output.format " + format, "output.format", "\"" + format + "\"");
        }
    }

    private void pictures() {
        for (String uri : List.of("", " ", "s3://", "s3://photos", "s3://photos/", "s3:///a.png", "S3://photos/a.png",
                "s3://Photos/a.png", "s3://ph/a.png/..", "s3://photos/../a.png", "s3://photos/./a.png", "s3://photos/a/..",
                "http://169.254.169.254/latest/meta-data", "https://example.com/a.png", "file:///etc/passwd",
                "ftp://example.com/a",
                "data:image/png;base64,iVBORw0KGgo=", "//example.com/a.png", "/etc/passwd", "s3://user:password@photos/a.png",
                "s3://photos:80/a.png", "s3://photos/a\\n.png", "s3://photos/\\u0000", "s3://photos/\\ud800", "gs://photos/a.png",
                "s3://photos/" + "a/".repeat(5_000), "s3://" + "a".repeat(64) + "/a.png")) {
            invalid("image.uri " + shortened(uri), "image.uri", "\"" + uri + "\"");
        }
        for (String image : List.of("null", "1", "[]", "{}", "\"s3://photos/a.png\"", "[{}]", "{\"uri\": {}}",
                "{\"bucket\": \"photos\"}", "{\"sha256\": \"\"}", "{\"url\": \"s3://photos/a.png\"}")) {
            invalid("image " + image, "image", image);
            invalid("mask " + image, "mask", image);
        }
        for (String strength : List.of("0", "-1", "1.0001", "1e400", "-1e400", "\"0.5\"", "true", "0.009999", "[]")) {
            invalid("image.strength " + strength, "image.strength", strength);
        }
        for (String sha256 : List.of("", "0", "g".repeat(64), "A".repeat(64), "0".repeat(63), "0".repeat(65),
                "0".repeat(9_000))) {
            invalid("image.sha256 " + shortened(sha256), "image.sha256", "\"" + sha256 + "\"");
        }
    }

    private void deadlines() {
        for (String deadline : List.of("", " ", "now", "tomorrow", "2026", "2026-01-31", "12:00:00Z", "2026-01-31T12:00:00",
                "2026-01-31T12:00Z", "2026-02-30T12:00:00Z", "2026-13-01T12:00:00Z", "2026-01-31T25:00:00Z",
                "2026-01-31T12:60:00Z", "2026-01-31T12:00:00+25:00", "2016-12-31T23:59:60Z", "2026-01-31T12:00:00Z\\n",
                "20260131T120000Z", "+999999999-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "99999-01-01T00:00:00Z",
                "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00.12345678901234567890Z",
                "2026-01-31 12:00:00Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00123Z", "2026-01-31T12:00:00+0100",
                "1769860800", "P1D",
                "Sat, 31 Jan 2026 12:00:00 GMT", "\\u0662026-01-31T12:00:00Z", "2026-01-31T12:00:00Z" + " ".repeat(9_000))) {
            invalid("deadline " + shortened(deadline), "deadline", "\"" + deadline + "\"");
        }
    }

    private void texts() {
        for (String field : List.of("prompt", "negativePrompt", "metadata.k")) {
            for (String text : List.of("\\u0000", "a\\u0000b", "\\u0007", "\\b", "\\f", "\\u001b[31m", "\\u007f", "\\u0085",
                    "\\u009b", "\\ud800", "\\udc00", "\\udc00\\ud800", "a\\ud83d")) {
                invalid(field + " " + text, field, "\"" + text + "\"");
            }
        }
        for (String blank : List.of("", " ", "\\t\\r\\n", " ".repeat(2_000))) {
            invalid("prompt of " + blank.length() + " blanks", "prompt", "\"" + blank + "\"");
        }
    }

    private void nesting() {
        for (int depth : new int[] {17, 100, 1_000, 10_000, 30_000}) {
            deadLetter(depth + " arrays", "[".repeat(depth) + "]".repeat(depth));
            deadLetter(depth + " arrays, open", "[".repeat(depth));
            deadLetter(depth + " arrays in metadata",
                    with("deep", "metadata", "[".repeat(depth) + "]".repeat(depth)));
            deadLetter(depth + " arrays before the request id", "{\"a\": " + "[".repeat(depth) + "]".repeat(depth)
                    + ", \"requestId\": \"late\"" + REST);
        }
        for (int depth : new int[] {17, 100, 1_000, 10_000}) {
            deadLetter(depth + " objects", "{\"a\":".repeat(depth) + "1" + "}".repeat(depth));
            deadLetter(depth + " objects, open", "{\"a\":".repeat(depth));
        }
        invalid("metadata of 10 objects", "metadata", "{\"a\":".repeat(10) + "\"\"" + "}".repeat(10));
        invalid("prompt of 10 arrays", "prompt", "[".repeat(10) + "]".repeat(10));
    }

    private void huge() {
        for (int length : new int[] {2_001, 10_000, 60_000}) {
            invalid("prompt of " + length, "prompt", "\"" + "x".repeat(length) + "\"");
            invalid("negative prompt of " + length, "negativePrompt", "\"" + "x".repeat(length) + "\"");
        }
        invalid("prompt of 2,001 emoji", "prompt", "\"" + "🍎".repeat(2_001) + "\"");
        invalid("prompt of 10,000 escapes", "prompt", "\"" + "\\u00e9".repeat(10_000) + "\"");
        invalid("prompt of 20,000 combining marks", "prompt", "\"e" + "\u0301".repeat(20_000) + "\"");
        invalid("prompt of numbers", "prompt", "[" + "1,".repeat(20_000) + "1]");
        for (int length : new int[] {RequestReader.MAX_BYTES, 200_000, 900_000}) {
            deadLetter("value of " + length + " bytes", with("long", "prompt", "\"" + "x".repeat(length) + "\""));
        }
        deadLetter("value of 900,000 spaces", " ".repeat(900_000));
        deadLetter("field name of 60,000 characters", with("name", "x".repeat(60_000), "1"));
        invalid("field name of 10,000 characters", "x".repeat(10_000), "1");
    }

    private void metadata() {
        for (int entries : new int[] {17, 100, 4_000}) {
            StringBuilder json = new StringBuilder("{");
            for (int i = 0; i < entries; i++) {
                json.append(i == 0 ? "" : ",").append("\"k").append(i).append("\":\"\"");
            }
            invalid("metadata of " + entries + " entries", "metadata", json.append("}").toString());
        }
        for (String name : List.of("", " ", "a b", "a/b", "../a", "a\\n", "a\\u0000", "ключ", "k".repeat(65), "\\ud800",
                "k".repeat(20_000), "$ref", "a[0]", "a'b", "a\\\"b", "~0~1")) {
            invalid("metadata named " + shortened(name), "metadata", "{\"" + name + "\": \"v\"}");
        }
        invalid("metadata of 257 characters", "metadata", "{\"k\": \"" + "v".repeat(257) + "\"}");
        invalid("metadata of 60,000 characters", "metadata", "{\"k\": \"" + "v".repeat(60_000) + "\"}");
    }

    private void unknownFields() {
        for (String field : List.of("promt", "Prompt", "request_id", "request-id", "id", "model", "size", "cfg_scale", "sampler",
                "__proto__", "constructor", "class", "@class", "@type", "$ref", "$schema", "toString", "", " ", ".", "a.b", "a/b",
                "~", "\\u0000", "\\n", "\\ud800", "🍎", "\\u202e", "${jndi:ldap://example.com/a}", "%s%n")) {
            invalid("unknown field " + field, id ->
                    "{\"requestId\": \"" + id + "\", \"" + field + "\": \"v\"" + REST);
        }
        for (String field : List.of("guidance", "output")) {
            for (String name : List.of("typo", "Scale", "", "__proto__", "scale ")) {
                invalid(field + " with unknown " + name, field, "{\"" + name + "\": 1}");
            }
        }
        StringBuilder many = new StringBuilder();
        for (int i = 0; i < 4_000; i++) {
            many.append(", \"x").append(i).append("\": ").append(i);
        }
        invalid("4,000 unknown fields", id -> "{\"requestId\": \"" + id + "\"" + many + REST);
    }

    private void duplicateFields() {
        for (String field : List.of("requestId", "prompt", "profile", "steps", "seed", "metadata", "unknown")) {
            deadLetter("duplicate " + field, "{\"requestId\": \"twice\", \"prompt\": \"a\", \"" + field + "\": \"a\", \""
                    + field + "\": \"a\"}");
        }
        deadLetter("duplicate in guidance", with("twice", "guidance", "{\"scale\": 1, \"scale\": 2}"));
        deadLetter("duplicate in metadata", with("twice", "metadata", "{\"k\": \"1\", \"\\u006b\": \"2\"}"));
    }

    private void encodings() {
        int[][] sequences = {{0xFF}, {0xFE}, {0xC0, 0xAF}, {0xC1, 0xBF}, {0x80}, {0xBF}, {0xC3}, {0xE2, 0x82}, {0xF0, 0x9F, 0x8D},
            {0xE0, 0x80, 0xAF}, {0xF0, 0x80, 0x80, 0xAF}, {0xED, 0xA0, 0x80}, {0xED, 0xBF, 0xBF},
            {0xED, 0xA0, 0xBC, 0xED, 0xBD, 0x8E}, {0xF4, 0x90, 0x80, 0x80}, {0xF5, 0x80, 0x80, 0x80},
            {0xF8, 0x88, 0x80, 0x80, 0x80}, {0xC0, 0x80}};
        for (int[] sequence : sequences) {
            for (String place : List.of("@\", \"prompt\": \"a", "utf\", \"prompt\": \"a@", "utf\", \"@\": \"a")) {
                ByteArrayOutputStream value = new ByteArrayOutputStream();
                String[] parts = ("{\"requestId\": \"" + place + "\"}").split("@");
                value.writeBytes(parts[0].getBytes(UTF_8));
                for (int octet : sequence) {
                    value.write(octet);
                }
                value.writeBytes(parts[1].getBytes(UTF_8));
                deadLetter("not UTF-8: " + sequence.length + " bytes from " + Integer.toHexString(sequence[0]),
                        value.toByteArray());
            }
        }
        deadLetter("Latin-1", with("latin", "prompt", "\"grün\"").getBytes(ISO_8859_1));
        for (Charset charset : List.of(UTF_16LE, UTF_16BE, Charset.forName("UTF-32LE"), Charset.forName("UTF-32BE"))) {
            deadLetter(charset + "", valid("wide").getBytes(charset));
            deadLetter(charset + " with a byte order mark", ("\ufeff" + valid("wide")).getBytes(charset));
        }
        deadLetter("byte order mark", "\ufeff" + valid("bom"));
        deadLetter("two byte order marks", "\ufeff\ufeff" + valid("bom"));
        deadLetter("byte order mark alone", "\ufeff");
        deadLetter("gzip", new byte[] {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0});
        deadLetter("Confluent's magic byte and schema id before JSON", "\0\0\0\0\1" + valid("avro"));
        deadLetter("Java serialization", new byte[] {(byte) 0xac, (byte) 0xed, 0, 5, 0x73, 0x72});
    }

    private void noise() {
        for (int i = 0; i < 60; i++) {
            byte[] value = new byte[1 + random.nextInt(300)];
            random.nextBytes(value);
            deadLetter("noise " + i, value);
        }
    }

    private void tombstones() {
        add("tombstone", null, List.of(), null, Fate.DEAD_LETTER);
        add("tombstone with headers", null, binary(Map.of()), null, Fate.DEAD_LETTER);
        add("tombstone in structured mode", null, structured(), null, Fate.DEAD_LETTER);
        add("empty", new byte[0], List.of(), null, Fate.DEAD_LETTER);
        add("empty with headers", new byte[0], binary(Map.of()), null, Fate.DEAD_LETTER);
        add("empty in structured mode", new byte[0], structured(), null, Fate.DEAD_LETTER);
    }

    private void binaryHeaders() {
        for (String type : List.of("", " ", "image.requested", TYPE + "2", TYPE + " ", TYPE.toUpperCase(Locale.ROOT),
                TYPE.replace("v1", "v2"), EventType.COMPLETED.type(), EventType.FAILED.type(), EventType.PROGRESS.type(),
                "com.example.order.placed", "\u0000", "x".repeat(50_000))) {
            headers("ce_type " + shortened(type), Map.of("ce_type", type));
        }
        for (String version : List.of("", "2.0", "1", "one", "1.0.0", "-1", "\u0000")) {
            headers("ce_specversion " + version, Map.of("ce_specversion", version));
        }
        for (String source : List.of("not a uri", "http://[", "%", "\u0000", "a b")) {
            headers("ce_source " + source, Map.of("ce_source", source));
        }
        for (String time : List.of("yesterday", "2026-13-01T00:00:00Z", "0", "\u0000")) {
            headers("ce_time " + time, Map.of("ce_time", time));
        }
        headers("ce_dataschema", Map.of("ce_dataschema", "not a uri"));
        for (String contentType : List.of("text/plain", "application/xml", "application/octet-stream", "image/png", "json",
                "application/cloudevents+avro", "application/cloudevents-batch+json", "\u0000", ";")) {
            headers("content-type " + contentType, Map.of("content-type", contentType));
        }
        for (String missing : List.of("ce_type", "ce_id", "ce_source", "ce_specversion")) {
            List<Header> headers = new ArrayList<>(binary(Map.of()));
            headers.removeIf(header -> header.key().equals(missing));
            add("without " + missing, valid("headers").getBytes(UTF_8), headers, null, Fate.DEAD_LETTER);
        }
        for (String nulled : List.of("ce_type", "ce_id", "ce_source", "ce_specversion")) {
            List<Header> headers = new ArrayList<>(binary(Map.of()));
            headers.replaceAll(header -> header.key().equals(nulled) ? new RecordHeader(nulled, (byte[]) null) : header);
            add("null in " + nulled, valid("headers").getBytes(UTF_8), headers, null, Fate.DEAD_LETTER);
        }
        add("only an unknown ce_ header", valid("headers").getBytes(UTF_8), List.of(header("ce_x", "y")), null,
                Fate.DEAD_LETTER);
        List<Header> many = new ArrayList<>();
        for (int i = 0; i < 1_000; i++) {
            many.add(header("ce_" + "x".repeat(10) + i, "y"));
        }
        add("1,000 ce_ headers", valid("headers").getBytes(UTF_8), many, null, Fate.DEAD_LETTER);
        String id = "hostile-binary";
        add("valid headers, invalid data", with(id, "steps", "0").getBytes(UTF_8), binary(Map.of()), id, Fate.INVALID);
    }

    private void structuredMode() {
        String envelope = "{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/\", \"type\": \"" + TYPE + "\", \"data\": @}";
        String request = valid("structured");
        Map<String, String> values = Map.ofEntries(
                Map.entry("garbage", "garbage"),
                Map.entry("a bare request", request),
                Map.entry("an array", "[" + envelope.replace("@", request) + "]"),
                Map.entry("no data", envelope.replace(", \"data\": @", "")),
                Map.entry("null data", envelope.replace("@", "null")),
                Map.entry("text for data", envelope.replace("@", "\"text\"")),
                Map.entry("wrong type", envelope.replace("@", request).replace("requested", "completed")),
                Map.entry("wrong version", envelope.replace("@", request).replace("1.0", "7.0")),
                Map.entry("no id", envelope.replace("@", request).replace("\"id\": \"1\", ", "")),
                Map.entry("number for id", envelope.replace("@", request).replace("\"id\": \"1\"", "\"id\": [1]")),
                Map.entry("bad source", envelope.replace("@", request).replace("\"/\"", "\"not a uri\"")),
                Map.entry("data twice", envelope.replace("@", request + ", \"data\": " + request)),
                Map.entry("data and data_base64", envelope.replace("@", request + ", \"data_base64\": \"e30=\"")),
                Map.entry("an object for data_base64", envelope.replace("\"data\": @", "\"data_base64\": {}")),
                Map.entry("a fraction for an extension", envelope.replace("@", request + ", \"extension\": 1.5")),
                Map.entry("a comment", "/*" + envelope.replace("@", request)),
                Map.entry("bad base64", envelope.replace("\"data\": @", "\"data_base64\": \"%%%\"")),
                Map.entry("duplicate in data", envelope.replace("@", "{\"requestId\": \"a\", \"requestId\": \"b\"" + REST)),
                Map.entry("deep data", envelope.replace("@", "[".repeat(5_000) + "]".repeat(5_000))),
                Map.entry("no request id", envelope.replace("@", "{\"prompt\": \"a\"}")),
                Map.entry("path for request id", envelope.replace("@", valid("../a"))),
                Map.entry("other content type", envelope.replace("@", request + ", \"datacontenttype\": \"text/plain\"")));
        values.keySet().stream().sorted().forEach(name -> add("structured: " + name, values.get(name).getBytes(UTF_8),
                structured(), null, Fate.DEAD_LETTER));
        for (String steps : List.of("0", "1e400", "\"20\"")) {
            String id = "hostile-structured-" + steps.replace("\"", "");
            add("structured: steps " + steps, envelope.replace("@", with(id, "steps", steps)).getBytes(UTF_8), structured(),
                    id, Fate.INVALID);
        }
    }

    private void headers(String name, Map<String, String> replaced) {
        add(name, valid("headers").getBytes(UTF_8), binary(replaced), null, Fate.DEAD_LETTER);
    }

    private static List<Header> binary(Map<String, String> replaced) {
        Map<String, String> all = new TreeMap<>(Map.of("ce_specversion", "1.0", "ce_id", "1", "ce_source", "/test",
                "ce_type", TYPE, "content-type", "application/json"));
        all.putAll(replaced);
        List<Header> headers = new ArrayList<>();
        all.forEach((key, value) -> headers.add(header(key, value)));
        return headers;
    }

    private static List<Header> structured() {
        return List.of(header("content-type", Events.STRUCTURED_CONTENT_TYPE + "; charset=UTF-8"));
    }

    private static Header header(String key, String value) {
        return new RecordHeader(key, value.getBytes(UTF_8));
    }

    private static String valid(String requestId) {
        return "{\"requestId\": \"" + requestId + "\"" + REST;
    }

    /** A request with one field, such as {@code guidance.scale}, set to a piece of JSON. */
    private static String with(String requestId, String field, String json) {
        int dot = field.indexOf('.');
        String member = dot < 0
                ? "\"" + field + "\": " + json
                : "\"" + field.substring(0, dot) + "\": {\"" + field.substring(dot + 1) + "\": " + json + "}";
        String prompt = field.equals("prompt") ? "" : ", \"prompt\": \"a red apple\"";
        return "{\"requestId\": \"" + requestId + "\"" + prompt + ", " + member + "}";
    }

    private void deadLetter(String name, String value) {
        deadLetter(name, value.getBytes(UTF_8));
    }

    private void deadLetter(String name, byte[] value) {
        add(name, value, List.of(), null, Fate.DEAD_LETTER);
    }

    private void invalid(String name, String field, String json) {
        invalid(name, id -> with(id, field, json));
    }

    private void invalid(String name, UnaryOperator<String> valueForId) {
        String id = "hostile-" + records.size();
        add(name, valueForId.apply(id).getBytes(UTF_8), List.of(), id, Fate.INVALID);
    }

    private void add(String name, byte[] value, List<Header> headers, String requestId, Fate fate) {
        byte[] noise = new byte[20];
        random.nextBytes(noise);
        byte[] key = switch (records.size() % 5) {
            case 0 -> null;
            case 1 -> new byte[0];
            case 2 -> noise;
            case 3 -> "k".repeat(5_000).getBytes(UTF_8);
            default -> "../key".getBytes(UTF_8);
        };
        records.add(new Hostile(name, key, value, List.copyOf(headers), requestId, fate));
    }

    private static String shortened(String text) {
        return text.length() <= 60 ? text : text.substring(0, 30) + "… (" + text.length() + ")";
    }
}
