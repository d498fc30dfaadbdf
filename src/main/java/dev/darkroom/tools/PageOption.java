package dev.darkroom.tools;

import dev.darkroom.page.Page;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The page of the embedded broker and store, for the commands that run them. */
final class PageOption {

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    @Option(names = "--page", description = "Also shows in a browser what goes through the topics, as `darkroom page` does.")
    private boolean page;

    @Option(names = "--page-port", paramLabel = "PORT", defaultValue = "" + LivePage.PORT,
            description = "The page's port, with --page; 0 for any that is free.")
    private int port;

    /** @throws CommandException if it is asked for and its port is taken */
    void requireFree() {
        if (page) {
            LocalPort.requireFree(spec, "--page-port", port, "page");
        }
    }

    /**
     * Opens it if it is asked for.
     *
     * @param known settings of the worker's, beside the store's address and keys
     */
    Optional<Page> open(StackProcess stack, Map<String, String> known) {
        return page ? Optional.of(LivePage.open(port, stack, known)) : Optional.empty();
    }
}
