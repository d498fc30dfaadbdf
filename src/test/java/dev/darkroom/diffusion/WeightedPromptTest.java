package dev.darkroom.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.diffusion.WeightedPrompt.Fragment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Emphasis as AUTOMATIC1111's web UI reads it. */
class WeightedPromptTest {

    /** The examples of {@code parse_prompt_attention} in {@code modules/prompt_parser.py}, and what else its grammar has. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "normal text            | {normal text}1.0",
        "an (important) word    | {an }1.0{important}1.1{ word}1.0",
        "(unbalanced            | {unbalanced}1.1",
        "\\(literal\\]          | {(literal]}1.0",
        "(unnecessary)(parens)  | {unnecessaryparens}1.1",
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))). "
            + "| {a }1.0{house}1.573{ }1.1{on}1.0{ a }1.1{hill}0.55{, sun, }1.1{sky}1.4641{.}1.1",
        "(a red apple:1.3)      | {a red apple}1.3",
        "(a: 1.5 )              | {a}1.5",
        "a:1.3) b               | {a:1.3) b}1.0",
        "(a:1.3:1.4)            | {a:1.3}1.4",
        "(a:+.5) (b:2.)         | {a}0.5{ }1.0{b}2.0",
        "[a] ]) b               | {a}0.9091{ ]) b}1.0",
        "16:9, C:\\pictures     | {16:9, C:\\pictures}1.0",
        "()                     | {}1.0",
    })
    void bracketsAndWeights(String prompt, String expected) {
        StringBuilder told = new StringBuilder();
        WeightedPrompt.parse(prompt).fragments().forEach(fragment -> told.append('{').append(fragment.text()).append('}')
                .append(Math.round(fragment.weight() * 1e4) / 1e4));

        assertThat(told).hasToString(expected);
    }

    @Test
    void textWithoutBracketsIsOneFragment() {
        assertThat(WeightedPrompt.parse("ein Fuß, 猫\n").fragments()).containsExactly(new Fragment("ein Fuß, 猫\n", 1));
        assertThat(WeightedPrompt.parse("").fragments()).containsExactly(new Fragment("", 1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"(a:11)", "(a:-0.1)", "((a:5):5)", "(a:1000000000000000000000000000000000000000000)"})
    void weightsThatAreNotOnOfferAreRefused(String prompt) {
        assertThatThrownBy(() -> WeightedPrompt.parse(prompt)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("a weight must be from 0 to 10, but is ");
    }

    @Test
    void noPromptTakesLong() {
        List.of("(", ")", "[", "(a:0.5)", "\\", ":", ":1", "((a:1):", "( : 1 ").forEach(part -> {
            String prompt = part.repeat(2_000 / part.length());
            try {
                assertThat(WeightedPrompt.parse(prompt).fragments()).isNotEmpty();
            } catch (IllegalArgumentException e) {
                assertThat(e).hasMessageContaining("from 0 to 10");
            }
        });
    }
}
