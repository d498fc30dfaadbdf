package dev.darkroom.worker;

import dev.darkroom.stack.StackResource;
import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** A stack of its own for a test, behind a gate that can be closed on the store, and a worker that is easy to watch. */
public final class WorkerResource implements QuarkusTestResourceLifecycleManager {

    private final StackResource stack = new StackResource();
    private StoreGate gate;
    private Topics topics;

    @Override
    public Map<String, String> start() {
        Map<String, String> settings = new HashMap<>(stack.start());
        gate = new StoreGate(java.net.URI.create(settings.get("darkroom.store.endpoint")));
        topics = new Topics(settings.get("kafka.bootstrap.servers"));
        settings.put("darkroom.store.endpoint", gate.endpoint().toString());
        settings.put("darkroom.store.read-timeout", "2s");
        settings.put("darkroom.state-dir", stateDir().toString());
        settings.put("darkroom.progress.interval", "20ms");
        settings.put("darkroom.flow.in-flight", "16");
        settings.put("darkroom.flow.stuck-after", "2s");
        settings.put("darkroom.flow.drain-timeout", "10s");
        settings.put("quarkus.http.test-port", "0");
        return settings;
    }

    private static Path stateDir() {
        try {
            return Files.createTempDirectory("darkroom-state");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void inject(TestInjector injector) {
        stack.inject(injector);
        injector.injectIntoFields(topics, new TestInjector.MatchesType(Topics.class));
        injector.injectIntoFields(gate, new TestInjector.MatchesType(StoreGate.class));
    }

    @Override
    public void stop() {
        if (topics != null) {
            topics.close();
        }
        if (gate != null) {
            gate.close();
        }
        stack.stop();
    }
}
