package dev.darkroom.worker.ops;

import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.claim.Claims;
import dev.darkroom.worker.claim.OffsetCommits;
import dev.darkroom.worker.claim.RebalanceListener;
import dev.darkroom.worker.generate.Generator;
import io.quarkus.runtime.LaunchMode;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import io.smallrye.common.annotation.Identifier;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import org.jboss.logging.Logger;

/** How the worker leaves: what it works on gets some time to end and is committed, and then it is gone, whatever hangs. */
@ApplicationScoped
class Lifecycle {

    private static final Logger LOG = Logger.getLogger(Lifecycle.class);
    private static final Duration LAST_COMMIT = Duration.ofSeconds(2);
    /** What closing connections may take after the drain. */
    private static final Duration CLOSING = Duration.ofSeconds(4);
    /** Exit status of a process that was asked to end, as shells have it. */
    private static final int TERMINATED = 128 + 15;

    private final Duration drainTimeout;
    private final Claims claims;
    private final OffsetCommits commits;
    private final RebalanceListener rebalances;
    private final Generator generator;

    Lifecycle(DarkroomConfig config, Claims claims, OffsetCommits commits,
            @Identifier("requests") RebalanceListener rebalances, Generator generator) {
        this.drainTimeout = config.flow().drainTimeout();
        this.claims = claims;
        this.commits = commits;
        this.rebalances = rebalances;
        this.generator = generator;
    }

    void onStart(@Observes StartupEvent event) {
        commits.start();
        if (LaunchMode.current() == LaunchMode.NORMAL) {
            Runtime.getRuntime().addShutdownHook(new Thread(this::endInTime, "end-in-time"));
        }
    }

    /** Kafka's clients and the store's may hang while they close; the orchestrator was promised otherwise. */
    private void endInTime() {
        Thread last = new Thread(() -> {
            try {
                Thread.sleep(drainTimeout.plus(CLOSING).toMillis());
                Runtime.getRuntime().halt(TERMINATED);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }, "end-in-time");
        last.setDaemon(true);
        last.start();
    }

    /** Runs before the connectors are closed, so that outcomes can still be published and offsets committed. */
    void onShutdown(@Observes ShutdownEvent event) throws InterruptedException {
        claims.close();
        boolean drained = claims.awaitNone(drainTimeout);
        LOG.infof("worker=drained complete=%s left=%d", drained, claims.count());
        generator.stop();
        commits.finish(LAST_COMMIT);
        rebalances.leave();
    }
}
