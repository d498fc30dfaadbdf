package dev.darkroom.stack;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

import org.gaul.s3proxy.AuthenticationType;
import org.gaul.s3proxy.S3Proxy;
import org.jclouds.ContextBuilder;
import org.jclouds.blobstore.BlobStoreContext;

/** An S3 server (S3Proxy) over a folder, in this JVM. Metadata is kept in extended attributes of the files. */
public final class EmbeddedStore implements AutoCloseable {

    public static final String ACCESS_KEY = "darkroom";
    public static final String SECRET_KEY = "darkroom-secret";

    private final URI endpoint;
    private final BlobStoreContext context;
    private final S3Proxy server;

    private EmbeddedStore(URI endpoint, BlobStoreContext context, S3Proxy server) {
        this.endpoint = endpoint;
        this.context = context;
        this.server = server;
    }

    /**
     * Starts a server and returns when it is ready.
     *
     * @param port where clients connect; it must be free
     * @param data where objects are kept; one folder a bucket
     */
    public static EmbeddedStore start(int port, Path data) throws Exception {
        Files.createDirectories(data);
        var properties = new Properties();
        properties.setProperty("jclouds.filesystem.basedir", data.toString());
        BlobStoreContext context = ContextBuilder.newBuilder("filesystem-nio2")
                .credentials("unused", "unused")
                .overrides(properties)
                .build(BlobStoreContext.class);
        var endpoint = URI.create("http://127.0.0.1:" + port);
        S3Proxy server = S3Proxy.builder()
                .blobStore(context.getBlobStore())
                .endpoint(endpoint)
                .awsAuthentication(AuthenticationType.AWS_V2_OR_V4, ACCESS_KEY, SECRET_KEY)
                .build();
        server.start();
        return new EmbeddedStore(endpoint, context, server);
    }

    public URI endpoint() {
        return endpoint;
    }

    /** Stops serving; the data stay. */
    @Override
    public void close() throws Exception {
        server.stop();
        context.close();
    }
}
