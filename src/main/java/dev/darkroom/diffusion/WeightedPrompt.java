package dev.darkroom.diffusion;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A prompt whose parts count for more or less.
 *
 * @param fragments in their order; at least one
 */
public record WeightedPrompt(List<Fragment> fragments) {

    /** A backslash and what it makes a letter; a bracket; the end of {@code (a:1.3)}; a bracket's end; text. */
    private static final Pattern TOKEN = Pattern.compile(
            "\\\\([()\\[\\]\\\\])|([(\\[])|:\\s*([+-]?(?:\\d+\\.?\\d*|\\.\\d+))\\s*\\)|([)\\]])|[^\\\\()\\[\\]:]+|[\\\\:]");

    private static final double BRACKET = 1.1;
    private static final double LARGEST_WEIGHT = 10;

    public WeightedPrompt {
        fragments = List.copyOf(fragments);
    }

    /**
     * A part of a prompt.
     *
     * @param weight 1 is as without; more makes it count for more
     */
    public record Fragment(String text, double weight) {

        /** @throws IllegalArgumentException if the weight is not from 0 to 10 */
        public Fragment {
            if (!(weight >= 0 && weight <= LARGEST_WEIGHT)) {
                throw new IllegalArgumentException("a weight must be from 0 to 10, but is " + weight);
            }
        }
    }

    /** A prompt in which brackets are words, and all words count alike. */
    public static WeightedPrompt plain(String prompt) {
        return new WeightedPrompt(List.of(new Fragment(prompt, 1)));
    }

    /**
     * Reads a prompt as AUTOMATIC1111's Stable Diffusion web UI does ({@code modules/prompt_parser.py}): {@code (a)} is 1.1
     * times, {@code [a]} 1/1.1 times and {@code (a:1.3)} 1.3 times as important, brackets within brackets multiply, a
     * bracket that is not closed reaches to the end, and a backslash makes a bracket a letter.
     *
     * @throws IllegalArgumentException if a weight is not from 0 to 10
     */
    public static WeightedPrompt parse(String prompt) {
        List<String> texts = new ArrayList<>();
        List<Double> weights = new ArrayList<>();
        List<Integer> round = new ArrayList<>();
        List<Integer> square = new ArrayList<>();
        Matcher token = TOKEN.matcher(prompt);
        while (token.find()) {
            String bracket = token.group(2) == null ? token.group(4) : token.group(2);
            if ("(".equals(bracket)) {
                round.add(texts.size());
            } else if ("[".equals(bracket)) {
                square.add(texts.size());
            } else if (token.group(3) != null && !round.isEmpty()) {
                multiply(weights, round.remove(round.size() - 1), Double.parseDouble(token.group(3)));
            } else if (")".equals(bracket) && !round.isEmpty()) {
                multiply(weights, round.remove(round.size() - 1), BRACKET);
            } else if ("]".equals(bracket) && !square.isEmpty()) {
                multiply(weights, square.remove(square.size() - 1), 1 / BRACKET);
            } else {
                texts.add(token.group(1) == null ? token.group() : token.group(1));
                weights.add(1.0);
            }
        }
        round.forEach(from -> multiply(weights, from, BRACKET));
        square.forEach(from -> multiply(weights, from, 1 / BRACKET));
        return new WeightedPrompt(joined(texts, weights));
    }

    private static void multiply(List<Double> weights, int from, double factor) {
        weights.subList(from, weights.size()).replaceAll(weight -> weight * factor);
    }

    /** Neighbours of one weight are one fragment: words are not to be torn apart. */
    private static List<Fragment> joined(List<String> texts, List<Double> weights) {
        List<Fragment> fragments = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < texts.size(); i++) {
            text.append(texts.get(i));
            if (i + 1 == texts.size() || !weights.get(i).equals(weights.get(i + 1))) {
                fragments.add(new Fragment(text.toString(), weights.get(i)));
                text.setLength(0);
            }
        }
        return fragments.isEmpty() ? List.of(new Fragment("", 1)) : fragments;
    }
}
