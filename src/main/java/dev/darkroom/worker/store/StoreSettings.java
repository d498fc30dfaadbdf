package dev.darkroom.worker.store;

import java.net.URI;
import java.time.Duration;
import java.util.regex.Pattern;

/**
 * Where the object store is and how it is spoken to.
 *
 * @param endpoint {@code http} or {@code https}, host and perhaps port; no path
 * @param region the region that requests are signed for; {@code us-east-1} satisfies most self-hosted stores
 * @param bucket the bucket that everything goes into, named by S3's rules
 * @param accessKey access key id
 * @param secretKey secret access key
 * @param pathStyle whether the bucket stands in the path ({@code host/bucket/key}) instead of in the host name
 * @param createBucket whether a missing bucket is created at the start
 * @param connectTimeout longest wait for a connection
 * @param readTimeout longest silence on a connection, in either direction
 */
public record StoreSettings(
        URI endpoint,
        String region,
        String bucket,
        String accessKey,
        String secretKey,
        boolean pathStyle,
        boolean createBucket,
        Duration connectTimeout,
        Duration readTimeout) {

    private static final Pattern BUCKET = Pattern.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]");

    /** What is said of a name that no bucket can have. */
    public static final String BUCKET_ALLOWED = "3 to 63 lower-case letters, digits, '.' and '-', with a letter or digit at both "
            + "ends";

    /** Whether a bucket can have this name. */
    public static boolean isBucket(String name) {
        return BUCKET.matcher(name).matches() && !name.contains("..");
    }

    /** @throws IllegalArgumentException with a sentence that names the setting, what it is and what is allowed */
    public StoreSettings {
        check(endpoint != null && endpoint.getHost() != null
                        && ("http".equals(endpoint.getScheme()) || "https".equals(endpoint.getScheme())),
                "the store's endpoint is '%s'; it must be an address such as https://s3.example.com:9000", endpoint);
        check((endpoint.getPath().isEmpty() || endpoint.getPath().equals("/"))
                        && endpoint.getQuery() == null && endpoint.getUserInfo() == null,
                "the store's endpoint '%s' has more than scheme, host and port", endpoint.getHost());
        check(region != null && !region.isBlank(), "the store's region is empty; us-east-1 satisfies most stores");
        check(bucket != null && isBucket(bucket),
                "the store's bucket is '%s'; a bucket's name has 3 to 63 lower-case letters, digits, '.' and '-', "
                        + "and starts and ends with a letter or digit", bucket);
        check(accessKey != null && !accessKey.isBlank(), "the store's access key is empty");
        check(secretKey != null && !secretKey.isBlank(), "the store's secret key is empty");
        check(positive(connectTimeout), "the store's connect time-out is %s; it must be above zero and at most a day",
                connectTimeout);
        check(positive(readTimeout), "the store's read time-out is %s; it must be above zero and at most a day",
                readTimeout);
    }

    private static boolean positive(Duration timeout) {
        // okhttp takes nought, below a millisecond included, as "wait for ever"
        return timeout != null && timeout.toMillis() > 0 && timeout.compareTo(Duration.ofDays(1)) <= 0;
    }

    private static void check(boolean condition, String sentence, Object... arguments) {
        if (!condition) {
            throw new IllegalArgumentException(sentence.formatted(arguments));
        }
    }

    /** Everything but the secret. */
    @Override
    public String toString() {
        return ("StoreSettings[endpoint=%s, region=%s, bucket=%s, accessKey=%s, secretKey=***, pathStyle=%s, createBucket=%s, "
                + "connectTimeout=%s, readTimeout=%s]")
                .formatted(endpoint, region, bucket, accessKey, pathStyle, createBucket, connectTimeout, readTimeout);
    }
}
