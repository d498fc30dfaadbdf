package dev.darkroom.torch;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.darkroom.diffusion.WeightedPrompt;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Turns prompts into the token ids that the text encoder reads. */
final class PromptTokenizer implements AutoCloseable {

    private static final int START_AND_END = 2;
    /** Below which the share of a prompt without the fragment would be beyond all bounds. */
    private static final double SMALLEST_WEIGHT = 1e-5;

    private final HuggingFaceTokenizer tokenizer;
    private final BundleManifest.Tokens tokens;
    private final int length;

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
     * @param ids as many as the text encoder reads: start, text, end, padding
     * @param truncated whether text had to be cut to fit
     */
    record TokenIds(long[] ids, boolean truncated) {
    }

    /**
     * One of the token sequences that a weighted prompt's embedding is blended of.
     *
     * @param weights of each token, 1 for start, end and padding
     * @param share how much of the blend it is; all of them add up to 1
     */
    record WeightedTokenIds(TokenIds tokens, float[] weights, double share) {

        /** A sequence that is all of its embedding. */
        static WeightedTokenIds unweighted(TokenIds tokens) {
            return new WeightedTokenIds(tokens, new float[0], 1);
        }

        boolean isWeighted() {
            for (float weight : weights) {
                if (weight != 1) {
                    return true;
                }
            }
            return false;
        }
    }

    /** Tokenises as diffusers does with {@code padding="max_length", truncation=True}. */
    TokenIds tokenize(String prompt) {
        long[] all = tokenizer.encode(prompt).getIds();
        long[] ids = Arrays.copyOf(all, length);
        if (all.length > length) {
            ids[length - 1] = tokens.end();
        } else {
            Arrays.fill(ids, all.length, length, tokens.pad());
        }
        return new TokenIds(ids, all.length > length);
    }

    /**
     * Tokenises as compel does, its {@code DownweightMode} being {@code REMOVE}: the whole prompt first, and then, for each
     * fragment that counts for less, the prompt without that.
     */
    List<WeightedTokenIds> tokenize(WeightedPrompt prompt) {
        List<WeightedPrompt.Fragment> fragments = prompt.fragments();
        List<long[]> texts = fragments.stream().map(fragment -> tokenizer.encode(fragment.text()).getIds()).toList();
        List<WeightedTokenIds> sequences = new ArrayList<>();
        sequences.add(sequence(fragments, texts, fragments.size(), 1));
        int begin = START_AND_END;
        for (int i = 0; i < fragments.size(); i++) {
            int tokensOfText = texts.get(i).length - START_AND_END;
            double weight = fragments.get(i).weight();
            // What was cut, or is no token, need not be removed
            if (weight < 1 && tokensOfText > 0 && begin < length) {
                sequences.add(sequence(fragments, texts, i, Math.tan((1 - Math.max(SMALLEST_WEIGHT, weight)) * Math.PI / 2)));
            }
            begin += tokensOfText;
        }
        double shares = sequences.stream().mapToDouble(WeightedTokenIds::share).sum();
        return sequences.stream().map(sequence ->
                new WeightedTokenIds(sequence.tokens(), sequence.weights(), sequence.share() / shares)).toList();
    }

    /** @param without the fragment that is left out */
    private WeightedTokenIds sequence(
            List<WeightedPrompt.Fragment> fragments, List<long[]> texts, int without, double share) {
        long[] ids = new long[length];
        float[] weights = new float[length];
        Arrays.fill(ids, tokens.pad());
        Arrays.fill(weights, 1);
        ids[0] = texts.get(0)[0];
        int at = 1;
        boolean truncated = false;
        for (int i = 0; i < texts.size(); i++) {
            for (int k = 1; i != without && k < texts.get(i).length - 1; k++) {
                if (at == length - 1) {
                    truncated = true;
                    break;
                }
                ids[at] = texts.get(i)[k];
                weights[at++] = (float) fragments.get(i).weight();
            }
        }
        ids[at] = tokens.end();
        return new WeightedTokenIds(new TokenIds(ids, truncated), weights, share);
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
