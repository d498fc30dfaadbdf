package dev.darkroom.tools;

import dev.darkroom.torch.NativeCache;

/** PyTorch's native libraries, which DJL unpacks into its cache before their first use. */
final class NativeLibraries {

    private NativeLibraries() {
    }

    /** Says so when that is going to happen: it takes a while and some room on the disk. */
    static void announce(ProgressLine progress) {
        NativeCache.missing().ifPresent(cache ->
                progress.end("PyTorch's libraries will be unpacked to %s, once (445 MB)".formatted(cache)));
    }
}
