package dev.darkroom.worker.store;

import dev.darkroom.stack.EmbeddedStore;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Path;
import org.gaul.s3proxy.AuthenticationType;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.nio2blob.FilesystemNio2BlobStore;

/** The embedded store, with the same keys, that lets headers pass which it knows nothing of: session tokens and encryption. */
final class TolerantStore implements AutoCloseable {

    private final URI endpoint;
    private final S3Proxy server;

    TolerantStore(Path data) throws Exception {
        endpoint = URI.create("http://127.0.0.1:" + freePort());
        server = S3Proxy.builder()
                .blobStore(new FilesystemNio2BlobStore(data.toString()))
                .endpoint(endpoint)
                .awsAuthentication(AuthenticationType.AWS_V2_OR_V4, EmbeddedStore.ACCESS_KEY, EmbeddedStore.SECRET_KEY)
                .ignoreUnknownHeaders(true)
                .build();
        server.start();
    }

    static int freePort() throws Exception {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    URI endpoint() {
        return endpoint;
    }

    @Override
    public void close() throws Exception {
        server.stop();
    }
}
