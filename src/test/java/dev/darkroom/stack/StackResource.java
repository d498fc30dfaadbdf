package dev.darkroom.stack;

import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.util.Map;

/** Gives a Quarkus test a stack of its own and the worker the configuration to find it. */
public final class StackResource implements QuarkusTestResourceLifecycleManager {

    private Stack stack;

    @Override
    public Map<String, String> start() {
        stack = Stack.start();
        return Map.of(
                "kafka.bootstrap.servers", stack.bootstrapServers(),
                "darkroom.store.endpoint", stack.storeEndpoint().toString(),
                "darkroom.store.access-key", stack.accessKey(),
                "darkroom.store.secret-key", stack.secretKey(),
                "darkroom.store.bucket", "darkroom");
    }

    @Override
    public void stop() {
        if (stack != null) {
            stack.close();
        }
    }

    /** Makes the stack available to fields of type {@link Stack} in the test class. */
    @Override
    public void inject(TestInjector injector) {
        injector.injectIntoFields(stack, new TestInjector.MatchesType(Stack.class));
    }
}
