package dev.darkroom.diffusion;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.darkroom.engine.ComputeDevice;
import dev.darkroom.engine.ModelBundle;
import dev.darkroom.engine.TorchModule;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Prompts to embeddings. Embeddings of the texts used last stay on the device, so that a text that comes again, as
 * the empty negative prompt does, is not encoded again. For the generating thread only.
 */
final class TextEncoder implements AutoCloseable {

    private static final int CACHED_TEXTS = 64;

    private final PromptTokenizer tokenizer;
    private final TorchModule module;
    private final NDManager cacheManager;
    private final Map<String, Embedding> cache = new LinkedHashMap<>(2 * CACHED_TEXTS, 0.75f, true);

    TextEncoder(ModelBundle bundle, ComputeDevice device) {
        tokenizer = new PromptTokenizer(bundle);
        module = device.load(bundle.file(ModelBundle.TEXT_ENCODER));
        cacheManager = device.newManager();
    }

    /** The last hidden state of one text, {@code [1, 77, C]}. */
    private record Embedding(NDArray hiddenState, boolean truncated) {
    }

    /**
     * The embeddings of a batch.
     *
     * @param hiddenStates float32 {@code [N, 77, C]}, in the order of the texts
     * @param truncated for each text, whether it was cut
     */
    record Embeddings(NDArray hiddenStates, List<Boolean> truncated) {
    }

    /** Encodes the texts; the embeddings are attached to {@code manager}. */
    Embeddings encode(NDManager manager, List<String> texts) {
        encodeMissing(manager, new LinkedHashSet<>(texts));
        List<Embedding> embeddings = texts.stream().map(cache::get).toList();
        NDArray hiddenStates = NDArrays.concat(
                new NDList(embeddings.stream().map(Embedding::hiddenState).toArray(NDArray[]::new)));
        hiddenStates.attach(manager);
        List<Boolean> truncated = embeddings.stream().map(Embedding::truncated).toList();
        evict();
        return new Embeddings(hiddenStates, truncated);
    }

    private void encodeMissing(NDManager manager, Set<String> texts) {
        List<String> missing = texts.stream().filter(text -> !cache.containsKey(text)).toList();
        if (missing.isEmpty()) {
            return;
        }
        List<PromptTokenizer.TokenIds> tokens = missing.stream().map(tokenizer::tokenize).toList();
        long[][] ids = tokens.stream().map(PromptTokenizer.TokenIds::ids).toArray(long[][]::new);
        try (NDManager scope = manager.newSubManager()) {
            NDList rows = module.forward(scope.create(ids)).singletonOrThrow().split(missing.size());
            for (int i = 0; i < missing.size(); i++) {
                // A copy: the row is a view that would keep the whole batch alive.
                NDArray row = rows.get(i).duplicate();
                row.attach(cacheManager);
                cache.put(missing.get(i), new Embedding(row, tokens.get(i).truncated()));
            }
        }
    }

    private void evict() {
        var eldest = cache.values().iterator();
        while (cache.size() > CACHED_TEXTS) {
            eldest.next().hiddenState().close();
            eldest.remove();
        }
    }

    @Override
    public void close() {
        cacheManager.close();
        module.close();
        tokenizer.close();
    }
}
