package dev.darkroom.stack;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

import org.gaul.s3proxy.AuthenticationType;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.nio2blob.FilesystemNio2BlobStore;

/**
 * An S3 server (S3Proxy) over a folder, in this JVM. Objects are files and their metadata the files' extended attributes,
 * so the folder must be on a file system that has those. Conditional PUTs are atomic.
 */
public final class EmbeddedStore implements AutoCloseable {

    public static final String ACCESS_KEY = "darkroom";
    public static final String SECRET_KEY = "darkroom-secret";

    private final URI endpoint;
    private final S3Proxy server;

    private EmbeddedStore(URI endpoint, S3Proxy server) {
        this.endpoint = endpoint;
        this.server = server;
    }

    /**
     * Starts a server and returns when it is ready.
     *
     * @param port where clients connect; it must be free
     * @param data where objects are kept; one folder a bucket
     */
    public static EmbeddedStore start(int port, Path data) throws Exception {
        return start(port, data, SECRET_KEY);
    }

    /**
     * Starts a server with a secret of its own.
     *
     * @param secretKey what clients must sign with
     */
    public static EmbeddedStore start(int port, Path data, String secretKey) throws Exception {
        Files.createDirectories(data);
        var endpoint = URI.create("http://127.0.0.1:" + port);
        S3Proxy server = S3Proxy.builder()
                .blobStore(new FilesystemNio2BlobStore(data.toString()))
                .endpoint(endpoint)
                .awsAuthentication(AuthenticationType.AWS_V2_OR_V4, ACCESS_KEY, secretKey)
                .build();
        server.start();
        return new EmbeddedStore(endpoint, server);
    }

    public URI endpoint() {
        return endpoint;
    }

    /** Stops serving; the data stay. */
    @Override
    public void close() throws Exception {
        server.stop();
    }
}
