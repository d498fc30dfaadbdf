package dev.darkroom.cli;

import ai.djl.util.Utils;
import java.nio.file.Files;
import java.nio.file.Path;

/** PyTorch's native libraries, which DJL unpacks into its cache before their first use. */
final class NativeLibraries {

    private NativeLibraries() {
    }

    /** Says so when that is going to happen: it takes a while and some room on the disk. */
    static void announce(ProgressLine progress) {
        Path cache = Utils.getEngineCacheDir("pytorch");
        boolean own = Utils.getEnvOrSystemProperty("PYTORCH_LIBRARY_PATH") == null;
        if (own && !Files.isDirectory(cache)) {
            progress.end("PyTorch's libraries will be unpacked to %s, once (445 MB)".formatted(cache));
        }
    }
}
