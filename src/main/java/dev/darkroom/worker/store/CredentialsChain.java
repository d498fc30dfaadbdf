package dev.darkroom.worker.store;

import io.minio.credentials.AwsEnvironmentProvider;
import io.minio.credentials.Credentials;
import io.minio.credentials.IamAwsProvider;
import io.minio.credentials.MinioEnvironmentProvider;
import io.minio.credentials.Provider;
import java.security.ProviderException;
import okhttp3.OkHttpClient;

/**
 * The credentials that the surroundings give to a worker without keys of its own, by the MinIO client's providers: keys in
 * the environment, a web identity, or those of the instance. Which of them is decided once, by the environment: the client's
 * {@code ChainedProvider} hides why the one that is meant does not work, and throws where a variable is not set. Temporary
 * credentials are fetched anew ten seconds before they end.
 */
final class CredentialsChain implements Provider {

    private final Provider provider;
    private final String source;

    /** @param http what web identity and instance are asked through */
    CredentialsChain(OkHttpClient http) {
        if (isSet("AWS_ACCESS_KEY_ID") || isSet("AWS_ACCESS_KEY")) {
            provider = new AwsEnvironmentProvider();
            source = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        } else if (isSet("MINIO_ACCESS_KEY")) {
            provider = new MinioEnvironmentProvider();
            source = "MINIO_ACCESS_KEY and MINIO_SECRET_KEY";
        } else if (isSet("AWS_WEB_IDENTITY_TOKEN_FILE")) {
            provider = new IamAwsProvider(variable("AWS_ENDPOINT_URL_STS"), http);
            source = "the web identity in AWS_WEB_IDENTITY_TOKEN_FILE";
        } else {
            provider = new IamAwsProvider(variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"), http);
            source = "the instance, and there are none in darkroom.store.access-key, AWS_ACCESS_KEY_ID or "
                    + "AWS_WEB_IDENTITY_TOKEN_FILE";
        }
    }

    /** @throws ProviderException if there are none, with a sentence that says where they were looked for */
    @Override
    public Credentials fetch() {
        try {
            return provider.fetch();
        } catch (RuntimeException e) {
            // Not as its cause: the client hands on the cause of what it catches, and this sentence would be lost
            ProviderException failure = new ProviderException("no credentials from " + source + ": " + e.getMessage());
            failure.addSuppressed(e);
            throw failure;
        }
    }

    /** Where the credentials come from, in words. */
    @Override
    public String toString() {
        return source;
    }

    private static boolean isSet(String name) {
        return variable(name) != null;
    }

    /** Looked up as the client's providers do it. */
    private static String variable(String name) {
        String value = System.getProperty(name, System.getenv(name));
        return value == null || value.isBlank() ? null : value;
    }
}
