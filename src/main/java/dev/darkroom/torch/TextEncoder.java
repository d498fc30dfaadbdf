package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.darkroom.diffusion.LoraAdapter;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Prompts to embeddings. Embeddings of the texts used last stay on the device, so that a text that comes again with the same
 * adapters, as the empty negative prompt does, is not encoded again. For the generating thread only.
 */
final class TextEncoder implements AutoCloseable {

    private static final int CACHED_TEXTS = 64;

    private final PromptTokenizer tokenizer;
    private final Networks networks;
    private final NDManager cacheManager;
    private final Map<Key, Embedding> cache = new LinkedHashMap<>(2 * CACHED_TEXTS, 0.75f, true);

    TextEncoder(ModelBundle bundle, ComputeDevice device, Networks networks) {
        tokenizer = new PromptTokenizer(bundle);
        this.networks = networks;
        cacheManager = device.newManager();
    }

    /** A text, and the adapters that change what it is encoded to. */
    private record Key(String text, List<LoraAdapter> adapters) {
    }

    /** The last hidden state of one text, {@code [1, 77, C]}. */
    private record Embedding(NDArray hiddenState, boolean truncated) {
    }

    /**
     * The embeddings of a batch.
     *
     * @param hiddenStates float32 {@code [N, 77, C]}, in the order of the texts
     * @param truncated for each text, whether it was cut
     * @param compiled whether compiled packages encoded what had to be encoded
     */
    record Embeddings(NDArray hiddenStates, List<Boolean> truncated, boolean compiled) {
    }

    /**
     * Encodes the texts; the embeddings are attached to {@code manager}.
     *
     * @param adapters that the encoder's weights have added
     * @param compiled whether compiled packages may be used
     */
    Embeddings encode(NDManager manager, List<String> texts, List<LoraAdapter> adapters, boolean compiled) {
        List<Key> keys = texts.stream().map(text -> new Key(text, adapters)).toList();
        boolean ranCompiled = encodeMissing(manager, new LinkedHashSet<>(keys), compiled);
        List<Embedding> embeddings = keys.stream().map(cache::get).toList();
        NDArray hiddenStates = NDArrays.concat(
                new NDList(embeddings.stream().map(Embedding::hiddenState).toArray(NDArray[]::new)));
        hiddenStates.attach(manager);
        List<Boolean> truncated = embeddings.stream().map(Embedding::truncated).toList();
        evict();
        return new Embeddings(hiddenStates, truncated, ranCompiled);
    }

    /** The batch sizes that texts are encoded in. */
    private BatchSizes batchSizes(boolean compiled) {
        List<Integer> offered = compiled ? networks.compiledSizes(GraphKey::textEncoder) : List.of();
        return offered.isEmpty() ? BatchSizes.upTo(Integer.MAX_VALUE) : BatchSizes.of(offered);
    }

    /** Loads what encoding takes. */
    void prepare(boolean compiled) {
        List<Integer> offered = batchSizes(compiled).offered();
        (offered.isEmpty() ? List.of(1) : offered).forEach(size -> networks.find(GraphKey.textEncoder(size), compiled));
    }

    private boolean encodeMissing(NDManager manager, Set<Key> texts, boolean compiled) {
        List<Key> missing = texts.stream().filter(text -> !cache.containsKey(text)).toList();
        BatchSizes sizes = batchSizes(compiled);
        boolean ranCompiled = compiled;
        int done = 0;
        while (done < missing.size()) {
            int batchSize = sizes.next(missing.size() - done);
            List<Key> batch = missing.subList(done, Math.min(missing.size(), done + batchSize));
            Network network = networks.find(GraphKey.textEncoder(batchSize), compiled);
            encode(manager, network, batch, batchSize);
            ranCompiled &= network.isCompiled();
            done += batch.size();
        }
        return ranCompiled;
    }

    private void encode(NDManager manager, Network network, List<Key> texts, int batchSize) {
        List<PromptTokenizer.TokenIds> tokens = texts.stream().map(Key::text).map(tokenizer::tokenize).toList();
        long[][] ids = BatchSizes.fill(tokens, batchSize).stream().map(PromptTokenizer.TokenIds::ids).toArray(long[][]::new);
        try (NDManager scope = manager.newSubManager()) {
            NDList rows = network.run(new NDList(scope.create(ids)), Network.WHOLE)
                    .singletonOrThrow().split(batchSize);
            for (int i = 0; i < texts.size(); i++) {
                // A copy: the row is a view of what the next run overwrites
                NDArray row = rows.get(i).duplicate();
                row.attach(cacheManager);
                cache.put(texts.get(i), new Embedding(row, tokens.get(i).truncated()));
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
        tokenizer.close();
    }
}
