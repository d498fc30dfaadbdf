package dev.darkroom.worker.store;

import dev.darkroom.worker.DarkroomConfig;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Where the object store is and how it is spoken to.
 *
 * @param endpoint {@code http} or {@code https}, host and perhaps port; no path
 * @param publicEndpoint the same, as those reach it who follow links; empty if they reach it like the worker
 * @param region the region that requests are signed for; {@code us-east-1} satisfies most self-hosted stores
 * @param bucket the bucket that everything goes into, named by S3's rules
 * @param prefix what the keys of everything in the bucket begin with, before a slash; empty for nothing
 * @param keys what requests are signed with; empty for what the surroundings give
 * @param encryption how everything is encrypted that is put; empty for what the bucket says
 * @param authorities who may have signed the store's certificate besides those that Java trusts; empty for nobody
 * @param pathStyle whether the bucket stands in the path ({@code host/bucket/key}) instead of in the host name
 * @param createBucket whether a missing bucket is created at the start
 * @param connectTimeout longest wait for a connection
 * @param readTimeout longest silence on a connection, in either direction
 */
public record StoreSettings(
        URI endpoint,
        Optional<URI> publicEndpoint,
        String region,
        String bucket,
        String prefix,
        Optional<StoreKeys> keys,
        Optional<Encryption> encryption,
        Optional<TrustedAuthorities> authorities,
        boolean pathStyle,
        boolean createBucket,
        Duration connectTimeout,
        Duration readTimeout) {

    /** A prefix leaves room below S3's limit of 1,024 for its keys, and no part of it is another folder to a tool. */
    private static final Pattern PREFIX =
            Pattern.compile("(?=.{1,256}$)(?!(.*/)?\\.{1,2}(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*");

    /** What is said of a prefix that will not do. */
    public static final String PREFIX_ALLOWED = "parts of letters, digits, '.', '_' and '-' with '/' between them, such as "
            + "team-a/darkroom";

    private static final Pattern BUCKET = Pattern.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]");

    /** What is said of a name that no bucket can have. */
    public static final String BUCKET_ALLOWED = "3 to 63 lower-case letters, digits, '.' and '-', with a letter or digit at both "
            + "ends";

    /** Whether a bucket can have this name. */
    public static boolean isBucket(String name) {
        return BUCKET.matcher(name).matches() && !name.contains("..");
    }

    /** Whether keys may begin with this; with nothing, they may. */
    public static boolean isPrefix(String prefix) {
        return prefix.isEmpty() || PREFIX.matcher(prefix).matches();
    }

    /** @throws IllegalArgumentException with a sentence that names the setting, what it is and what is allowed */
    public StoreSettings {
        checkAddress("endpoint", endpoint);
        publicEndpoint.ifPresent(address -> checkAddress("public endpoint", address));
        check(region != null && !region.isBlank(), "the store's region is empty; us-east-1 satisfies most stores");
        check(bucket != null && isBucket(bucket),
                "the store's bucket is '%s'; a bucket's name has 3 to 63 lower-case letters, digits, '.' and '-', "
                        + "and starts and ends with a letter or digit", bucket);
        check(isPrefix(prefix), "the store's prefix is '%s'; it must be " + PREFIX_ALLOWED, prefix);
        check(positive(connectTimeout), "the store's connect time-out is %s; it must be above zero and at most a day",
                connectTimeout);
        check(positive(readTimeout), "the store's read time-out is %s; it must be above zero and at most a day",
                readTimeout);
    }

    /** A store for which the worker has keys, and a bucket all for itself. */
    public StoreSettings(URI endpoint, String region, String bucket, String accessKey, String secretKey, boolean pathStyle,
            boolean createBucket, Duration connectTimeout, Duration readTimeout) {
        this(endpoint, Optional.empty(), region, bucket, "", Optional.of(new StoreKeys(accessKey, secretKey, Optional.empty())),
                Optional.empty(), Optional.empty(), pathStyle, createBucket, connectTimeout, readTimeout);
    }

    /**
     * The store of a configuration.
     *
     * @throws IllegalArgumentException for what no store can have, with a sentence but for its full stop
     */
    public static StoreSettings of(DarkroomConfig.Store store) {
        if (store.encryptionKey().isPresent() && store.encryption().isEmpty()) {
            throw new IllegalArgumentException("darkroom.store.encryption-key goes with darkroom.store.encryption=aws:kms");
        }
        return new StoreSettings(store.endpoint(), store.publicEndpoint(), store.region(), store.bucket(),
                store.prefix().orElse(""), keys(store),
                store.encryption().map(algorithm -> new Encryption(algorithm, store.encryptionKey())),
                store.caFile().map(TrustedAuthorities::of), store.pathStyle(), store.createBucket(),
                store.connectTimeout(), store.readTimeout());
    }

    private static Optional<StoreKeys> keys(DarkroomConfig.Store store) {
        if (store.accessKey().isEmpty() && store.secretKey().isEmpty() && store.sessionToken().isEmpty()) {
            return store.endpoint().equals(URI.create(DarkroomConfig.STACK_STORE))
                    ? Optional.of(new StoreKeys(DarkroomConfig.STACK_ACCESS_KEY, DarkroomConfig.STACK_SECRET_KEY,
                            Optional.empty()))
                    : Optional.empty();
        }
        return Optional.of(new StoreKeys(
                store.accessKey().orElseThrow(() -> missing("access-key")),
                store.secretKey().orElseThrow(() -> missing("secret-key")), store.sessionToken()));
    }

    private static IllegalArgumentException missing(String key) {
        return new IllegalArgumentException("darkroom.store." + key + " is missing; access-key and secret-key go together, and a "
                + "session-token with both");
    }

    private static void checkAddress(String name, URI address) {
        check(address != null && address.getHost() != null
                        && ("http".equals(address.getScheme()) || "https".equals(address.getScheme())),
                "the store's %s is '%s'; it must be an address such as https://s3.example.com:9000", name, address);
        check((address.getPath().isEmpty() || address.getPath().equals("/"))
                        && address.getQuery() == null && address.getUserInfo() == null,
                "the store's %s '%s' has more than scheme, host and port", name, address.getHost());
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
}
