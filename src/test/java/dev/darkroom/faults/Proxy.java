package dev.darkroom.faults;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;

/** Stands between one worker and one server, and hands on what they say to each other, or not quite. */
final class Proxy implements AutoCloseable {

    private static final int CHUNK = 16 * 1024;
    private static final int TRICKLE_BYTES = 512;
    private static final int CONNECT_MS = 2_000;

    /** What is done to what passes. */
    enum How {
        PASS,
        /** Nobody listens. */
        REFUSE,
        /** Everything is held back, and comes late. */
        STALL,
        /** Everything is swallowed, both ways, and connections stay open. */
        SWALLOW,
        /** Requests arrive and are acted on; their answers are swallowed. */
        LOSE_ANSWERS,
        /** Answers are cut off in their middle, with the connection. */
        TEAR,
        /** Every chunk is late by so many milliseconds. */
        SLOW,
        /** A chunk passes in pieces, with pauses of so many milliseconds. */
        TRICKLE,
        /** An HTTP status is answered in the server's stead. */
        ANSWER
    }

    /** @param amount milliseconds or an HTTP status, where the behaviour has one */
    record Behaviour(How how, int amount) {

        static final Behaviour PASS = new Behaviour(How.PASS, 0);

        /** Whether a connection that has seen this is of no use afterwards. */
        private boolean spoils() {
            return how == How.SWALLOW || how == How.LOSE_ANSWERS || how == How.ANSWER || how == How.TEAR;
        }
    }

    /**
     * @param port where the worker connects
     * @param server the port that it is led to
     */
    record Listening(int port, int server) {
    }

    private final InetSocketAddress server;
    private final int port;
    private final Consumer<String> requests;
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "proxy");
        thread.setDaemon(true);
        return thread;
    });
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private volatile Behaviour behaviour = Behaviour.PASS;
    private volatile ServerSocket listener;
    private volatile boolean closed;

    /** @param requests is told the first line of every HTTP request that the worker makes */
    Proxy(Listening ports, Consumer<String> requests) throws IOException {
        this.port = ports.port();
        this.server = new InetSocketAddress(InetAddress.getLoopbackAddress(), ports.server());
        this.requests = requests;
        listen();
    }

    /** Behaves like this from now on. */
    synchronized void behave(Behaviour next) throws IOException {
        Behaviour before = behaviour;
        behaviour = next;
        notifyAll();
        if (next.how == How.REFUSE) {
            listener.close();
        } else if (listener.isClosed()) {
            listen();
        }
        if (next.how == How.REFUSE || before.spoils() || next.how == How.ANSWER) {
            cut();
        }
    }

    /** Resets every connection that there is. */
    void cut() {
        open.forEach(Proxy::reset);
    }

    private void listen() throws IOException {
        ServerSocket next = new ServerSocket();
        next.setReuseAddress(true);
        next.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        listener = next;
        threads.execute(() -> accept(next));
    }

    private void accept(ServerSocket from) {
        while (!closed) {
            try {
                Socket client = from.accept();
                open.add(client);
                threads.execute(() -> serve(client));
            } catch (IOException | RejectedExecutionException e) {
                // Closed, or about to be: who comes in that moment is served no more
                return;
            }
        }
    }

    private void serve(Socket client) {
        if (behaviour.how == How.ANSWER) {
            answer(client);
            return;
        }
        Socket upstream = new Socket();
        try {
            upstream.connect(server, CONNECT_MS);
            upstream.setTcpNoDelay(true);
            client.setTcpNoDelay(true);
            open.add(upstream);
            threads.execute(() -> pump(upstream, client, true));
            pump(client, upstream, false);
        } catch (IOException e) {
            end(client, upstream);
        }
    }

    private void pump(Socket from, Socket to, boolean answers) {
        byte[] chunk = new byte[CHUNK];
        try {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
                if (!answers) {
                    look(chunk, n);
                }
                pass(chunk, n, out, from, answers);
            }
        } catch (IOException e) {
            // One side has gone, so the other goes
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            end(from, to);
        }
    }

    private void pass(byte[] chunk, int n, OutputStream out, Socket from, boolean answers)
            throws IOException, InterruptedException {
        Behaviour now = behaviour;
        switch (now.how) {
            case SWALLOW -> {
            }
            case LOSE_ANSWERS -> {
                if (!answers) {
                    out.write(chunk, 0, n);
                }
            }
            case TEAR -> {
                out.write(chunk, 0, answers ? n / 2 : n);
                if (answers) {
                    out.flush();
                    reset(from);
                    throw new SocketException("torn");
                }
            }
            case SLOW -> {
                Thread.sleep(now.amount);
                out.write(chunk, 0, n);
            }
            case TRICKLE -> {
                for (int i = 0; i < n; i += TRICKLE_BYTES) {
                    out.write(chunk, i, Math.min(TRICKLE_BYTES, n - i));
                    if (behaviour.equals(now)) {
                        Thread.sleep(now.amount);
                    }
                }
            }
            case STALL, REFUSE -> {
                awaitOther(now);
                out.write(chunk, 0, n);
            }
            default -> out.write(chunk, 0, n);
        }
    }

    private synchronized void awaitOther(Behaviour than) throws InterruptedException {
        while (behaviour.equals(than) && !closed) {
            wait();
        }
    }

    /** A client writes the next request only when it has its answer, so each begins a chunk. */
    private void look(byte[] chunk, int n) {
        if (n > 4 && chunk[0] == 'P' && chunk[1] == 'U' && chunk[2] == 'T' && chunk[3] == ' ') {
            String text = new String(chunk, 0, Math.min(n, 512), StandardCharsets.ISO_8859_1);
            int end = text.indexOf('\r');
            requests.accept(end < 0 ? text : text.substring(0, end));
        }
    }

    /** Takes one HTTP request and answers it, as an overloaded or unwilling server does. */
    private void answer(Socket client) {
        try (client) {
            BufferedInputStream in = new BufferedInputStream(client.getInputStream());
            int length = 0;
            String line = line(in);
            look(line.getBytes(StandardCharsets.ISO_8859_1), line.length());
            boolean head = line.startsWith("HEAD");
            while (!line.isEmpty()) {
                if (line.regionMatches(true, 0, "Content-Length:", 0, 15)) {
                    length = Integer.parseInt(line.substring(15).strip());
                }
                line = line(in);
            }
            in.readNBytes(length);
            int status = behaviour.amount;
            String body = "<html><body>%d</body></html>".formatted(status);
            client.getOutputStream().write(("HTTP/1.1 %d Sorry\r\nContent-Type: text/html\r\nContent-Length: %d\r\n"
                    + "Connection: close\r\n\r\n%s").formatted(status, body.length(), head ? "" : body)
                    .getBytes(StandardCharsets.ISO_8859_1));
        } catch (IOException e) {
            // It has gone
        } finally {
            open.remove(client);
        }
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c >= 0 && c != '\n'; c = in.read()) {
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }

    private void end(Socket... sockets) {
        for (Socket socket : sockets) {
            open.remove(socket);
            try {
                socket.close();
            } catch (IOException e) {
                // It is gone in any case
            }
        }
    }

    private static void reset(Socket socket) {
        try {
            socket.setSoLinger(true, 0);
            socket.close();
        } catch (IOException e) {
            // It is gone in any case
        }
    }

    @Override
    public synchronized void close() throws IOException {
        closed = true;
        notifyAll();
        listener.close();
        cut();
        threads.shutdownNow();
    }
}
