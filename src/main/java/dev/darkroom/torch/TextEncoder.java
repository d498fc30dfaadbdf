package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.PromptSyntax;
import dev.darkroom.diffusion.WeightedPrompt;
import dev.darkroom.torch.PromptTokenizer.TokenIds;
import dev.darkroom.torch.PromptTokenizer.WeightedTokenIds;
import java.util.ArrayList;
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

    /** A text and how it is read. */
    record Text(String text, PromptSyntax syntax) {
    }

    /** A text, as how many texts of the encoder's length it is read, and the adapters that change what it is encoded to. */
    private record Key(Text text, int chunks, List<LoraAdapter> adapters) {
    }

    /** A text that is not encoded yet, and the sequences that its embedding is blended of: one, unless it is weighted. */
    private record Missing(Key key, List<WeightedTokenIds> sequences) {

        boolean isWeighted() {
            return sequences.size() > 1 || sequences.get(0).isWeighted();
        }
    }

    /** The last hidden state of one text, {@code [1, T, C]}. */
    private record Embedding(NDArray hiddenState, boolean truncated) {
    }

    /**
     * The embeddings of a batch.
     *
     * @param hiddenStates float32 {@code [N, T, C]}, in the order of the texts; T is 77 for each chunk
     * @param truncated for each text, whether it was cut
     * @param compiled whether compiled packages encoded what had to be encoded
     */
    record Embeddings(NDArray hiddenStates, List<Boolean> truncated, boolean compiled) {
    }

    /** As how many texts of the encoder's length a text is read where nothing is cut. Callable from any thread. */
    int chunks(Text text) {
        return tokenizer.chunks(prompt(text));
    }

    /**
     * Encodes the texts; the embeddings are attached to {@code manager}.
     *
     * @param chunks as how many texts of the encoder's length each is read
     * @param adapters that the encoder's weights have added
     * @param compiled whether compiled packages may be used
     */
    Embeddings encode(NDManager manager, List<Text> texts, int chunks, List<LoraAdapter> adapters, boolean compiled) {
        List<Key> keys = texts.stream().map(text -> new Key(text, chunks, adapters)).toList();
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
        List<Missing> missing = texts.stream().filter(text -> !cache.containsKey(text))
                .map(key -> new Missing(key, tokenizer.tokenize(prompt(key.text()), key.chunks()))).toList();
        if (missing.isEmpty()) {
            return compiled;
        }
        List<TokenIds> tokens = new ArrayList<>();
        missing.forEach(text -> text.sequences().forEach(sequence -> tokens.add(sequence.tokens())));
        if (missing.stream().anyMatch(Missing::isWeighted)) {
            tokens.add(tokenizer.tokenize(WeightedPrompt.plain(""), tokens.get(0).texts().size()).get(0).tokens());
        }
        try (NDManager scope = manager.newSubManager()) {
            List<NDArray> rows = new ArrayList<>();
            boolean ranCompiled = run(scope, tokens, rows, compiled);
            NDArray empty = rows.get(rows.size() - 1);
            int at = 0;
            for (Missing text : missing) {
                List<NDArray> own = rows.subList(at, at + text.sequences().size());
                NDArray row = text.isWeighted() ? blend(scope, text.sequences(), own, empty) : own.get(0);
                row.attach(cacheManager);
                cache.put(text.key(), new Embedding(row, text.sequences().get(0).tokens().truncated()));
                at += own.size();
            }
            return ranCompiled;
        }
    }

    private static WeightedPrompt prompt(Text text) {
        return switch (text.syntax()) {
            case PLAIN -> WeightedPrompt.plain(text.text());
            case WEIGHTED -> WeightedPrompt.parse(text.text());
        };
    }

    /** Adds the hidden state of each sequence to {@code rows}; says whether compiled packages encoded all of them. */
    private boolean run(NDManager scope, List<TokenIds> tokens, List<NDArray> rows, boolean compiled) {
        List<NDArray> chunks = new ArrayList<>();
        boolean ranCompiled = encode(scope, tokens.stream().flatMap(sequence -> sequence.texts().stream()).toList(), chunks,
                compiled);
        int each = chunks.size() / tokens.size();
        for (int at = 0; at < chunks.size(); at += each) {
            rows.add(each == 1 ? chunks.get(at)
                    : NDArrays.concat(new NDList(chunks.subList(at, at + each)), 1));
        }
        return ranCompiled;
    }

    /** Adds the hidden state of each text to {@code rows}; says whether compiled packages encoded all of them. */
    private boolean encode(NDManager scope, List<long[]> texts, List<NDArray> rows, boolean compiled) {
        BatchSizes sizes = batchSizes(compiled);
        boolean ranCompiled = compiled;
        while (rows.size() < texts.size()) {
            int batchSize = sizes.next(texts.size() - rows.size());
            List<long[]> batch = texts.subList(rows.size(), Math.min(texts.size(), rows.size() + batchSize));
            Network network = networks.find(GraphKey.textEncoder(batchSize), compiled);
            long[][] ids = BatchSizes.fill(batch, batchSize).toArray(long[][]::new);
            NDList split = network.run(new NDList(scope.create(ids)), Network.WHOLE).singletonOrThrow().split(batchSize);
            // Copies: a row is a view of what the next run overwrites
            split.stream().limit(batch.size()).map(NDArray::duplicate).forEach(row -> {
                row.attach(scope);
                rows.add(row);
            });
            split.close();
            ranCompiled &= network.isCompiled();
        }
        return ranCompiled;
    }

    /** As compel does: what a token adds to the empty text's embedding counts as much as the token's weight says. */
    private static NDArray blend(NDManager scope, List<WeightedTokenIds> sequences, List<NDArray> rows, NDArray empty) {
        NDArray blend = empty.duplicate();
        for (int i = 0; i < rows.size(); i++) {
            WeightedTokenIds sequence = sequences.get(i);
            NDArray weights = scope.create(sequence.weights(), new Shape(1, sequence.weights().length, 1));
            blend.addi(rows.get(i).sub(empty).muli(weights).muli(sequence.share()));
        }
        return blend;
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
