package dev.darkroom.torch;

import ai.djl.util.Utils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Where DJL unpacks PyTorch's native libraries, before their first use. */
public final class NativeCache {

    private NativeCache() {
    }

    /** The folder that they are still to be unpacked to; empty where they are there, or come from elsewhere. */
    public static Optional<Path> missing() {
        Path cache = Utils.getEngineCacheDir("pytorch");
        boolean own = Utils.getEnvOrSystemProperty("PYTORCH_LIBRARY_PATH") == null;
        return own && !Files.isDirectory(cache) ? Optional.of(cache) : Optional.empty();
    }
}
