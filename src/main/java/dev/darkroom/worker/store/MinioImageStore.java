package dev.darkroom.worker.store;

import dev.darkroom.digest.Sha256;
import io.minio.BucketExistsArgs;
import io.minio.GetObjectArgs;
import io.minio.GetPresignedObjectUrlArgs;
import io.minio.MakeBucketArgs;
import io.minio.MinioClient;
import io.minio.PutObjectArgs;
import io.minio.StatObjectArgs;
import io.minio.credentials.Provider;
import io.minio.credentials.StaticProvider;
import io.minio.errors.ErrorResponseException;
import io.minio.errors.InsufficientDataException;
import io.minio.errors.InvalidResponseException;
import io.minio.errors.MinioException;
import io.minio.errors.ServerException;
import io.minio.http.Method;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.ProviderException;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLPeerUnverifiedException;
import okhttp3.ConnectionPool;
import okhttp3.Dispatcher;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import org.jboss.logging.Logger;

/**
 * The object store through the MinIO client: Amazon S3, SeaweedFS, Ceph, MinIO and whatever else speaks S3. Each method
 * makes one attempt; {@link RetryingImageStore} makes more.
 *
 * <p>Stores differ in conditional PUTs: some have them, some refuse the header, and some ignore it and overwrite.
 * {@link #open()} finds out by trying, on an object of its own. Where they are missing, {@link #putIfAbsent} looks first
 * (HEAD) and then puts: two writers at the same moment can then both write, and the later one stays.
 */
public final class MinioImageStore implements ImageStore {

    private static final Logger LOG = Logger.getLogger(MinioImageStore.class);

    /** Written at the start to see whether this worker may write, and how the store takes conditional PUTs. */
    static final String PROBE_KEY = "outcomes/darkroom-write-probe";

    /** More than any worker has threads that upload. */
    private static final int CONCURRENT_CALLS = 128;
    private static final int CONNECTIONS_KEPT = 16;

    private static final String SHA256 = "sha256";
    private static final int METADATA_LIMIT = 2000;
    private static final Pattern METADATA_NAME = Pattern.compile("[a-z0-9-]+");
    private static final Pattern METADATA_VALUE = Pattern.compile("[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?");
    private static final Pattern STATUS_IN_MESSAGE = Pattern.compile("Response code: (\\d{3})");

    private static final int PRECONDITION_FAILED = 412;
    private static final Map<String, String> IF_NONE_MATCH = Map.of("If-None-Match", "*");
    private static final Set<String> TRANSIENT_CODES = Set.of("SlowDown", "RequestTimeout", "InternalError",
            "ServiceUnavailable", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict");

    private final MinioClient client;
    /** Signs addresses as others see them, and connects to nothing. */
    private final MinioClient links;
    private final StoreSettings settings;
    private final Provider credentials;
    private final Map<String, String> encryption;
    private volatile boolean conditionalPuts = true;

    /** Connects to nothing yet; {@link #open()} does. */
    public MinioImageStore(StoreSettings settings) {
        this.settings = settings;
        // the client's calls all go through the dispatcher, which lets only five at a time through to one host by default
        var dispatcher = new Dispatcher();
        dispatcher.setMaxRequests(CONCURRENT_CALLS);
        dispatcher.setMaxRequestsPerHost(CONCURRENT_CALLS);
        var calls = new OkHttpClient.Builder()
                .dispatcher(dispatcher)
                .connectionPool(new ConnectionPool(CONNECTIONS_KEPT, 1, TimeUnit.MINUTES))
                .protocols(List.of(Protocol.HTTP_1_1))
                .connectTimeout(settings.connectTimeout())
                .readTimeout(settings.readTimeout())
                .writeTimeout(settings.readTimeout());
        settings.authorities().ifPresent(authorities -> authorities.trustedBy(calls));
        OkHttpClient http = calls.build();
        credentials = settings.keys().<Provider>map(keys ->
                        new StaticProvider(keys.accessKey(), keys.secretKey(), keys.sessionToken().orElse(null)))
                .orElseGet(() -> new CredentialsChain(http));
        encryption = settings.encryption().map(Encryption::headers).orElse(Map.of());
        client = client(settings.endpoint(), http);
        links = client(settings.publicEndpoint().orElse(settings.endpoint()), http);
    }

    private MinioClient client(URI endpoint, OkHttpClient http) {
        MinioClient made = MinioClient.builder()
                .endpoint(endpoint.toString())
                .region(settings.region())
                .credentialsProvider(credentials)
                .httpClient(http, true)
                .build();
        if (settings.pathStyle()) {
            made.disableVirtualStyleEndpoint();
        } else {
            made.enableVirtualStyleEndpoint();
        }
        return made;
    }

    /** Where an object lies in the bucket. */
    private String placed(String key) {
        return settings.prefix().isEmpty() ? key : settings.prefix() + "/" + key;
    }

    @Override
    public StoredObject putIfAbsent(String key, byte[] content, String contentType, Map<String, String> metadata) {
        if (!conditionalPuts) {
            Optional<StoredObject> earlier = find(key);
            if (earlier.isPresent()) {
                return earlier.get();
            }
        }
        try {
            return write(key, content, contentType, metadata, conditionalPuts ? IF_NONE_MATCH : Map.of());
        } catch (ErrorResponseException e) {
            if (e.response().code() != PRECONDITION_FAILED) {
                throw fault("put", key, e);
            }
            return find(key).orElseThrow(() -> new StorageException(
                    "the store has an object under " + key + " when it is put and none when it is looked at",
                    "it contradicts itself", true, e));
        } catch (Exception e) {
            throw fault("put", key, e);
        }
    }

    @Override
    public Optional<byte[]> get(String key) {
        var args = GetObjectArgs.builder().bucket(settings.bucket()).object(placed(key)).build();
        try (var response = client.getObject(args)) {
            return Optional.of(response.readAllBytes());
        } catch (ErrorResponseException e) {
            if (noSuchObject(e)) {
                return Optional.empty();
            }
            throw fault("get", key, e);
        } catch (Exception e) {
            throw fault("get", key, e);
        }
    }

    @Override
    public Optional<byte[]> read(String bucket, String key, int mostBytes) {
        try (var response = client.getObject(GetObjectArgs.builder().bucket(bucket).object(key).build())) {
            return Optional.of(response.readNBytes(mostBytes));
        } catch (ErrorResponseException e) {
            if (noSuchObject(e)) {
                return Optional.empty();
            }
            throw fault("read", bucket + "/" + key, e);
        } catch (Exception e) {
            throw fault("read", bucket + "/" + key, e);
        }
    }

    @Override
    public URI link(String key, Duration validity) {
        try {
            return URI.create(links.getPresignedObjectUrl(GetPresignedObjectUrlArgs.builder()
                    .method(Method.GET)
                    .bucket(settings.bucket())
                    .object(placed(key))
                    .expiry(Math.toIntExact(validity.toSeconds()))
                    .build()));
        } catch (Exception e) {
            throw fault("sign a link to", key, e);
        }
    }

    @Override
    public void open() {
        if (!bucketExists()) {
            if (!settings.createBucket()) {
                throw new StorageException("there is no bucket '%s' at %s, and creating it is not allowed"
                        .formatted(settings.bucket(), settings.endpoint()), "there is no such bucket", false, null);
            }
            createBucket();
        }
        conditionalPuts = hasConditionalPuts();
        LOG.infof("store=open endpoint=%s bucket=%s prefix=\"%s\" credentials=\"%s\" conditionalPuts=%s",
                settings.endpoint(), settings.bucket(), settings.prefix(),
                settings.keys().map(keys -> "given").orElseGet(credentials::toString), conditionalPuts);
    }

    @Override
    public void ping() {
        if (!bucketExists()) {
            throw new StorageException("there is no bucket '%s' at %s"
                    .formatted(settings.bucket(), settings.endpoint()), "there is no such bucket", false, null);
        }
    }

    @Override
    public void close() {
        try {
            client.close();
            links.close();
        } catch (Exception e) {
            LOG.debugf(e, "store=close endpoint=%s", settings.endpoint());
        }
    }

    /** Whether the store was seen to refuse a conditional PUT on a key that is taken. */
    boolean conditionalPuts() {
        return conditionalPuts;
    }

    private boolean bucketExists() {
        try {
            return client.bucketExists(BucketExistsArgs.builder().bucket(settings.bucket()).build());
        } catch (Exception e) {
            throw fault("look for", settings.bucket(), e);
        }
    }

    private void createBucket() {
        try {
            client.makeBucket(MakeBucketArgs.builder().bucket(settings.bucket()).build());
        } catch (ErrorResponseException e) {
            // workers that start together all try, and one is first
            if (!e.errorResponse().code().startsWith("BucketAlready")) {
                throw fault("create", settings.bucket(), e);
            }
        } catch (Exception e) {
            throw fault("create", settings.bucket(), e);
        }
    }

    /** The first conditional PUT makes the probe, or finds an earlier one; the second must be refused. */
    private boolean hasConditionalPuts() {
        byte[] content = "darkroom".getBytes(StandardCharsets.UTF_8);
        try {
            write(PROBE_KEY, content, "text/plain", Map.of(), IF_NONE_MATCH);
            write(PROBE_KEY, content, "text/plain", Map.of(), IF_NONE_MATCH);
            return false;
        } catch (ErrorResponseException e) {
            int status = e.response().code();
            if (status == PRECONDITION_FAILED) {
                return true;
            }
            if (status == 400 || status == 501) {
                writeUnconditionally(content);
                return false;
            }
            throw fault("put", PROBE_KEY, e);
        } catch (Exception e) {
            throw fault("put", PROBE_KEY, e);
        }
    }

    /** It may be the encryption that the store does not take, and not the condition. */
    private void writeUnconditionally(byte[] content) {
        try {
            write(PROBE_KEY, content, "text/plain", Map.of(), Map.of());
        } catch (Exception e) {
            throw fault("put", PROBE_KEY, e);
        }
    }

    private StoredObject write(String key, byte[] content, String contentType, Map<String, String> metadata,
            Map<String, String> conditions) throws MinioException, IOException, GeneralSecurityException {
        String sha256 = Sha256.hex(content);
        var described = new LinkedHashMap<>(checked(metadata));
        described.put(SHA256, sha256);
        var headers = new LinkedHashMap<>(encryption);
        headers.putAll(conditions);
        var response = client.putObject(PutObjectArgs.builder()
                .bucket(settings.bucket())
                .object(placed(key))
                .stream(new ByteArrayInputStream(content), content.length, -1)
                .contentType(contentType)
                .userMetadata(described)
                .extraHeaders(headers)
                .build());
        return new StoredObject(settings.bucket(), placed(key), unquoted(response.etag()), sha256, content.length, described,
                Instant.now(), true);
    }

    @Override
    public Optional<StoredObject> find(String key) {
        try {
            var stat = client.statObject(StatObjectArgs.builder().bucket(settings.bucket()).object(placed(key)).build());
            String sha256 = stat.userMetadata().get(SHA256);
            if (sha256 == null) {
                // not written by a Darkroom
                Optional<byte[]> content = get(key);
                if (content.isEmpty()) {
                    return Optional.empty();
                }
                sha256 = Sha256.hex(content.get());
            }
            return Optional.of(new StoredObject(settings.bucket(), placed(key), unquoted(stat.etag()), sha256, stat.size(),
                    Map.copyOf(stat.userMetadata()), stat.lastModified().toInstant(), false));
        } catch (StorageException e) {
            throw e;
        } catch (ErrorResponseException e) {
            if (noSuchObject(e)) {
                return Optional.empty();
            }
            throw fault("look for", key, e);
        } catch (Exception e) {
            throw fault("look for", key, e);
        }
    }

    private static boolean noSuchObject(ErrorResponseException e) {
        return "NoSuchKey".equals(e.errorResponse().code()) || "NoSuchObject".equals(e.errorResponse().code());
    }

    private static String unquoted(String etag) {
        return etag.replace("\"", "");
    }

    private static Map<String, String> checked(Map<String, String> metadata) {
        int bytes = 0;
        for (var entry : metadata.entrySet()) {
            String name = entry.getKey();
            String value = entry.getValue();
            if (!METADATA_NAME.matcher(name).matches() || name.equals(SHA256)) {
                throw new IllegalArgumentException("metadata cannot be named '" + name
                        + "'; names are of lower-case letters, digits and hyphens, and 'sha256' is taken");
            }
            if (!METADATA_VALUE.matcher(value).matches()) {
                throw new IllegalArgumentException("metadata '" + name
                        + "' is not printable ASCII without blanks at its ends");
            }
            bytes += name.length() + value.length();
        }
        if (bytes > METADATA_LIMIT) {
            throw new IllegalArgumentException(
                    "metadata of %d bytes; at most %d are allowed".formatted(bytes, METADATA_LIMIT));
        }
        return metadata;
    }

    private StorageException fault(String verb, String what, Exception e) {
        if (e instanceof StorageException already) {
            return already;
        }
        if (e instanceof IllegalArgumentException mistake) {
            throw mistake;
        }
        // the client wraps an interruption in a RuntimeException and forgets the flag
        if (e.getCause() instanceof InterruptedException) {
            Thread.currentThread().interrupt();
        }
        return new StorageException("could not %s %s at %s: %s"
                .formatted(verb, what, settings.endpoint(), reason(e)), publicReason(e), transientFault(e), e);
    }

    /** The client wraps what a provider throws, or not, depending on the call. */
    private static boolean isOfCredentials(Exception e) {
        return e instanceof ProviderException || e.getCause() instanceof ProviderException;
    }

    /** Messages of the client and of Java name hosts and ports. */
    private String publicReason(Exception e) {
        if (isOfCredentials(e)) {
            return "there are no credentials for it";
        }
        if (e instanceof ErrorResponseException refusal) {
            return "it answers HTTP %d %s".formatted(refusal.response().code(), refusal.errorResponse().code())
                    + (ofAnotherRegion(refusal) ? "; is '%s' its region?".formatted(settings.region()) : "");
        }
        if (e instanceof ServerException failure) {
            return "it answers HTTP " + failure.statusCode();
        }
        if (e instanceof InvalidResponseException) {
            return "what answers is no object store";
        }
        return e instanceof SSLHandshakeException || e instanceof SSLPeerUnverifiedException
                ? "its certificate is not trusted" : "it cannot be reached";
    }

    private String reason(Exception e) {
        if (e instanceof ErrorResponseException refusal) {
            return "HTTP %d %s (%s)".formatted(
                    refusal.response().code(), refusal.errorResponse().code(), refusal.errorResponse().message())
                    + (ofAnotherRegion(refusal) ? "; is '%s' its region?".formatted(settings.region()) : "");
        }
        if (e.getCause() instanceof ProviderException failure) {
            return failure.getMessage();
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    /** The answer to HEAD has no body, hence no code. */
    private static boolean ofAnotherRegion(ErrorResponseException refusal) {
        return Set.of("AuthorizationHeaderMalformed", "BadRequest", "PermanentRedirect").contains(refusal.errorResponse().code());
    }

    private static boolean transientFault(Exception e) {
        if (isOfCredentials(e)) {
            // Mostly nobody has set any up, which is to be known soon after the start; later it is tried again in any case
            return false;
        }
        if (e instanceof ErrorResponseException refusal) {
            return transientStatus(refusal.response().code())
                    || TRANSIENT_CODES.contains(refusal.errorResponse().code());
        }
        if (e instanceof ServerException failure) {
            return transientStatus(failure.statusCode());
        }
        if (e instanceof InvalidResponseException) {
            // a proxy's page instead of the store's answer; the status stands in the message alone
            Matcher status = STATUS_IN_MESSAGE.matcher(String.valueOf(e.getMessage()));
            return status.find() && transientStatus(Integer.parseInt(status.group(1)));
        }
        if (e instanceof SSLHandshakeException || e instanceof SSLPeerUnverifiedException) {
            return false;
        }
        return e instanceof IOException || e instanceof InsufficientDataException
                || e.getCause() instanceof InterruptedException;
    }

    private static boolean transientStatus(int status) {
        return status >= 500 && status != 501 || status == 429 || status == 408;
    }
}
