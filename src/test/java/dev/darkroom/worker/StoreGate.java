package dev.darkroom.worker;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A TCP gate before the store. While it is shut, connections are cut: the store is away, as seen from the worker. */
public final class StoreGate implements AutoCloseable {

    private final URI store;
    private final ServerSocket server;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private volatile boolean shut;
    private volatile boolean stalled;

    StoreGate(URI store) {
        this.store = store;
        try {
            server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        daemon(this::accept);
    }

    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    public void shut() {
        shut = true;
        open.forEach(StoreGate::closeQuietly);
    }

    /** Connections are taken, and nothing passes: the store hangs. */
    public void stall() {
        stalled = true;
        open.forEach(StoreGate::closeQuietly);
    }

    public void open() {
        shut = false;
        stalled = false;
        open.forEach(StoreGate::closeQuietly);
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket client = server.accept();
                if (shut) {
                    closeQuietly(client);
                    continue;
                }
                if (stalled) {
                    open.add(client);
                    continue;
                }
                Socket upstream = new Socket(store.getHost(), store.getPort());
                open.add(client);
                open.add(upstream);
                daemon(() -> pass(client, upstream));
                daemon(() -> pass(upstream, client));
            } catch (IOException e) {
                // The server was closed, or the store is not there for this one connection
            }
        }
    }

    private void pass(Socket from, Socket to) {
        try (from; to; InputStream in = from.getInputStream(); OutputStream out = to.getOutputStream()) {
            in.transferTo(out);
        } catch (IOException e) {
            // Cut
        } finally {
            open.remove(from);
            open.remove(to);
        }
    }

    private static void daemon(Runnable task) {
        Thread thread = new Thread(task, "store-gate");
        thread.setDaemon(true);
        thread.start();
    }

    private static void closeQuietly(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            // Gone already
        }
    }

    @Override
    public void close() {
        shut();
        try {
            server.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
