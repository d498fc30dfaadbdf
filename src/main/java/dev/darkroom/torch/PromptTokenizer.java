package dev.darkroom.torch;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;

/** Turns prompts into the token ids that the text encoder reads. */
final class PromptTokenizer implements AutoCloseable {

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

    @Override
    public void close() {
        tokenizer.close();
    }
}
