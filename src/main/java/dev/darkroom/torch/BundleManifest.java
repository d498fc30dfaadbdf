package dev.darkroom.torch;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.SchedulerConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A bundle's manifest, {@code bundle.json}; {@code docs/bundle.md} says what every value means. Values that the
 * worker does not read are ignored.
 *
 * @param textLength tokens that the text encoder reads at once
 * @param textLengths tokens of prompts on offer, each some times {@code textLength}; null, as in older bundles, is
 *     {@code textLength} alone
 * @param fewSteps whether the weights draw in few steps without guidance; null, as in older bundles, is false
 * @param adapters by name; null is none
 * @param files digest and size of every file, by path relative to the bundle's folder
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record BundleManifest(
        int format,
        String name,
        String source,
        String architecture,
        String torchVersion,
        String dtype,
        List<ImageSize> sizes,
        List<Integer> batchSizes,
        int latentChannels,
        int latentScale,
        int textLength,
        List<Integer> textLengths,
        int embeddingSize,
        Tokens tokens,
        SchedulerConfig scheduler,
        Boolean fewSteps,
        Map<String, Adapter> adapters,
        Map<String, FileDigest> files) {

    public BundleManifest {
        if (format != ModelBundle.FORMAT) {
            throw new BundleException("The bundle's format is " + format + "; this worker reads format "
                    + ModelBundle.FORMAT + ".");
        }
        if (!ModelBundle.ARCHITECTURE.equals(architecture)) {
            throw new BundleException("The bundle's architecture is " + architecture + "; this worker runs "
                    + ModelBundle.ARCHITECTURE + ".");
        }
        present("name", name);
        present("torchVersion", torchVersion);
        present("tokens", tokens);
        present("scheduler", scheduler);
        sizes = List.copyOf(filled("sizes", sizes));
        batchSizes = filled("batchSizes", batchSizes).stream().sorted().toList();
        positive("latentChannels", latentChannels);
        positive("latentScale", latentScale);
        positive("textLength", textLength);
        textLengths = textLengths == null
                ? List.of(textLength) : filled("textLengths", textLengths).stream().sorted().toList();
        if (textLengths.get(0) != textLength) {
            throw new BundleException("bundle.json: textLengths begins with " + textLengths.get(0) + ", and not with textLength, "
                    + textLength + ".");
        }
        for (int length : textLengths) {
            if (length % textLength != 0) {
                throw new BundleException("bundle.json: the text length " + length + " is not a multiple of textLength, "
                        + textLength + ".");
            }
        }
        positive("embeddingSize", embeddingSize);
        batchSizes.forEach(size -> positive("batchSizes", size));
        for (ImageSize size : sizes) {
            if (size.width() <= 0 || size.height() <= 0
                    || size.width() % latentScale != 0 || size.height() % latentScale != 0) {
                throw new BundleException("bundle.json: the size " + size + " is not a positive multiple of "
                        + "latentScale, " + latentScale + ".");
            }
        }
        present("files", files);
        files = new TreeMap<>(files);
        for (String file : ModelBundle.REQUIRED_FILES) {
            if (!files.containsKey(file)) {
                throw new BundleException("bundle.json: files does not list " + file + ".");
            }
        }
        fewSteps = Boolean.TRUE.equals(fewSteps);
        adapters = new TreeMap<>(adapters == null ? Map.of() : adapters);
        for (Map.Entry<String, Adapter> adapter : adapters.entrySet()) {
            if (adapter.getValue() == null || !files.containsKey(String.valueOf(adapter.getValue().file()))) {
                throw new BundleException("bundle.json: files does not list the file of the adapter " + adapter.getKey() + ".");
            }
        }
    }

    /** The largest batch that can be run at once. */
    public int largestBatch() {
        return batchSizes.get(batchSizes.size() - 1);
    }

    /** As how many texts of the text encoder's length a prompt may be read, ascending; 1 is the first. */
    public List<Integer> textChunks() {
        return textLengths.stream().map(length -> length / textLength).toList();
    }

    /** Whether the weights draw in few steps without guidance, as they are or with an adapter. */
    public boolean drawsInFewSteps() {
        return fewSteps || adapters.values().stream().anyMatch(Adapter::fewSteps);
    }

    /**
     * The module that encodes pictures for images that a decoder decodes: the decoder's own, or the other one where the bundle
     * has none of its own, since both decode the same latents. Empty if the bundle has none.
     */
    public Optional<String> encoder(DecoderName decoder) {
        List<String> encoders = switch (decoder) {
            case FULL -> List.of(ModelBundle.VAE_ENCODER, ModelBundle.TINY_ENCODER);
            case TINY -> List.of(ModelBundle.TINY_ENCODER, ModelBundle.VAE_ENCODER);
        };
        return encoders.stream().filter(files::containsKey).findFirst();
    }

    /** Whether the bundle has a safety checker. */
    public boolean hasSafetyChecker() {
        return files.containsKey(ModelBundle.SAFETY_CHECKER);
    }

    /**
     * The special tokens of the tokenizer.
     *
     * @param pad fills a prompt up to {@code textLength}
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Tokens(long start, long end, long pad) {
    }

    /**
     * An adapter.
     *
     * @param file one of the bundle's files
     * @param fewSteps whether it makes the weights draw in few steps without guidance
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Adapter(String file, boolean fewSteps) {
    }

    /** SHA-256 in lower-case hex, and size, of one file. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record FileDigest(String sha256, long bytes) {
    }

    private static <T> T present(String field, T value) {
        if (value == null) {
            throw new BundleException("bundle.json: " + field + " is missing.");
        }
        return value;
    }

    private static <T> List<T> filled(String field, List<T> values) {
        if (present(field, values).isEmpty() || values.contains(null)) {
            throw new BundleException("bundle.json: " + field + " must hold at least one value, and no null.");
        }
        return values;
    }

    private static void positive(String field, int value) {
        if (value <= 0) {
            throw new BundleException("bundle.json: " + field + " is " + value + "; it must be positive.");
        }
    }
}
