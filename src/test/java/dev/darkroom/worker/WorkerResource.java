package dev.darkroom.worker;

import dev.darkroom.stack.EmbeddedStack;
import dev.darkroom.stack.Stack;
import dev.darkroom.tools.Folders;
import dev.darkroom.torch.TestBundle;
import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * A stack of its own for a test, behind a gate that can be closed on the store, and a worker that is easy to watch. Its
 * arguments are settings of the worker's, where they begin with {@code darkroom.}, or of the broker's, which then is the embedded
 * one.
 */
public final class WorkerResource implements QuarkusTestResourceLifecycleManager {

    private static final String WORKERS = "darkroom.";

    private final Map<String, String> worker = new HashMap<>();
    private final Map<String, String> broker = new HashMap<>();
    private Path folder;
    private Stack stack;
    private StoreGate gate;
    private Topics topics;

    @Override
    public void init(Map<String, String> arguments) {
        arguments.forEach((name, value) -> (name.startsWith(WORKERS) ? worker : broker).put(name, value));
    }

    @Override
    public Map<String, String> start() {
        folder = temporaryFolder();
        stack = broker.isEmpty() ? Stack.start() : EmbeddedStack.start(broker.entrySet().stream()
                .map(setting -> "--broker=" + setting.getKey() + "=" + setting.getValue())
                .toArray(String[]::new));
        gate = new StoreGate(stack.storeEndpoint());
        topics = new Topics(stack.bootstrapServers());
        Map<String, String> settings = new HashMap<>();
        settings.put("kafka.bootstrap.servers", stack.bootstrapServers());
        settings.put("darkroom.store.endpoint", gate.endpoint().toString());
        settings.put("darkroom.store.access-key", stack.accessKey());
        settings.put("darkroom.store.secret-key", stack.secretKey());
        settings.put("darkroom.store.bucket", "darkroom");
        settings.put("darkroom.store.read-timeout", "2s");
        settings.put("darkroom.state-dir", folder("state").toString());
        settings.put("darkroom.bundle", TestBundle.copyOfMini(folder("bundle"))
                .withSmallImages().withTextLengths(77, 154).withAdapter("ink", false).withAdapter("wash", true)
                .folder().toString());
        settings.put("darkroom.inputs.buckets", "photos");
        settings.put("darkroom.progress.interval", "20ms");
        settings.put("darkroom.metrics.cost-by", "customer");
        settings.put("darkroom.flow.in-flight", "16");
        settings.put("darkroom.flow.stuck-after", "2s");
        settings.put("darkroom.flow.drain-timeout", "10s");
        settings.put("quarkus.http.test-port", "0");
        settings.putAll(worker);
        if (worker.containsKey("darkroom.safety.policy")) {
            settings.put("darkroom.bundle", TestBundle.copy(Path.of(settings.get("darkroom.bundle")), folder("safety"))
                    .withSafetyChecker().folder().toString());
        }
        return settings;
    }

    private static Path temporaryFolder() {
        try {
            return Files.createTempDirectory("darkroom-worker");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Path folder(String name) {
        try {
            return Files.createDirectory(folder.resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void inject(TestInjector injector) {
        injector.injectIntoFields(stack, new TestInjector.MatchesType(Stack.class));
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
        if (stack != null) {
            stack.close();
        }
        if (folder != null) {
            Folders.delete(folder);
        }
    }
}
