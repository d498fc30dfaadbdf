package dev.darkroom.torch;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.darkroom.diffusion.WeightedPrompt;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;

/**
 * Turns prompts into the token ids that the text encoder reads. A prompt that is read as more than one text is cut every 75
 * tokens, wherever that is, and each text has start, end and padding of its own, as compel's {@code SplitLongTextMode.BRUTAL}
 * and diffusers' community pipeline {@code lpw_stable_diffusion} do it. Thread-safe.
 */
final class PromptTokenizer implements AutoCloseable {

    private static final int START_AND_END = 2;
    /** Below which the share of a prompt without the fragment would be beyond all bounds. */
    private static final double SMALLEST_WEIGHT = 1e-5;

    private final HuggingFaceTokenizer tokenizer;
    private final BundleManifest.Tokens tokens;
    private final int length;
    private boolean closed;

    PromptTokenizer(ModelBundle bundle) {
        tokens = bundle.manifest().tokens();
        length = bundle.manifest().textLength();
        try {
            tokenizer = HuggingFaceTokenizer.newInstance(bundle.file(ModelBundle.TOKENIZER),
                    Map.of("addSpecialTokens", "true", "truncation", "false", "padding", "false"));
        } catch (IOException | RuntimeException e) {
            throw new BundleException("The bundle's tokenizer.json cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * @param texts one or more, each of as many ids as the text encoder reads: start, text, end, padding
     * @param truncated whether text had to be cut to fit
     */
    record TokenIds(List<long[]> texts, boolean truncated) {
    }

    /**
     * One of the token sequences that a weighted prompt's embedding is blended of.
     *
     * @param weights of each token of all texts, 1 for start, end and padding
     * @param share how much of the blend it is; all of them add up to 1
     */
    record WeightedTokenIds(TokenIds tokens, float[] weights, double share) {

        boolean isWeighted() {
            for (float weight : weights) {
                if (weight != 1) {
                    return true;
                }
            }
            return false;
        }
    }

    /** As how many texts a prompt is read where nothing is cut. */
    int chunks(WeightedPrompt prompt) {
        int tokensOfPrompt = prompt.fragments().stream().mapToInt(fragment -> encode(fragment.text()).length).sum();
        return Math.max(1, (tokensOfPrompt + each() - 1) / each());
    }

    /**
     * Tokenises as diffusers does with {@code padding="max_length", truncation=True} where there are no weights and one text,
     * and else as compel does, its {@code DownweightMode} being {@code REMOVE}: the whole prompt first, and then, for each
     * fragment that counts for less, the prompt without that.
     */
    List<WeightedTokenIds> tokenize(WeightedPrompt prompt, int chunks) {
        List<WeightedPrompt.Fragment> fragments = prompt.fragments();
        List<long[]> texts = fragments.stream().map(fragment -> encode(fragment.text())).toList();
        List<WeightedTokenIds> sequences = new ArrayList<>();
        sequences.add(sequence(fragments, texts, fragments.size(), chunks, 1));
        int begin = 0;
        for (int i = 0; i < fragments.size(); i++) {
            double weight = fragments.get(i).weight();
            // What was cut, or is no token, need not be removed
            if (weight < 1 && texts.get(i).length > 0 && begin < chunks * each()) {
                sequences.add(sequence(
                        fragments, texts, i, chunks, Math.tan((1 - Math.max(SMALLEST_WEIGHT, weight)) * Math.PI / 2)));
            }
            begin += texts.get(i).length;
        }
        double shares = sequences.stream().mapToDouble(WeightedTokenIds::share).sum();
        return sequences.stream().map(sequence ->
                new WeightedTokenIds(sequence.tokens(), sequence.weights(), sequence.share() / shares)).toList();
    }

    /** How many tokens fit into one text. */
    private int each() {
        return length - START_AND_END;
    }

    /** @param without the fragment that is left out */
    private WeightedTokenIds sequence(List<WeightedPrompt.Fragment> fragments, List<long[]> encoded, int without, int chunks,
            double share) {
        List<long[]> texts = new ArrayList<>();
        float[] weights = new float[chunks * length];
        Arrays.fill(weights, 1);
        for (int i = 0; i < chunks; i++) {
            long[] ids = new long[length];
            Arrays.fill(ids, tokens.pad());
            ids[0] = tokens.start();
            texts.add(ids);
        }
        int[] ends = new int[chunks];
        Arrays.fill(ends, 1);
        int at = 0;
        for (int i = 0; i < encoded.size(); i++) {
            for (int k = 0; i != without && k < encoded.get(i).length; k++, at++) {
                int chunk = at / each();
                if (chunk < chunks) {
                    weights[chunk * length + ends[chunk]] = (float) fragments.get(i).weight();
                    texts.get(chunk)[ends[chunk]++] = encoded.get(i)[k];
                }
            }
        }
        for (int i = 0; i < chunks; i++) {
            texts.get(i)[ends[i]] = tokens.end();
        }
        return new WeightedTokenIds(new TokenIds(texts, at > chunks * each()), weights, share);
    }

    /** Ids without those of start and end. */
    private synchronized long[] encode(String text) {
        if (closed) {
            throw new CancellationException("The pipeline is closed.");
        }
        long[] ids = tokenizer.encode(text).getIds();
        return Arrays.copyOfRange(ids, 1, ids.length - 1);
    }

    @Override
    public synchronized void close() {
        closed = true;
        tokenizer.close();
    }
}
