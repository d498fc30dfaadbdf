package dev.darkroom.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;
import static org.assertj.core.api.Assertions.withinPercentage;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every scheduler against diffusers' own: timesteps, sigmas and every step's output within 1e-5. */
class SchedulerTest {

    private static final double RELATIVE = 1e-5;
    private static final JsonNode GOLDEN = Golden.json("schedulers.json");

    @ParameterizedTest
    @MethodSource("cases")
    void stepsAsDiffusersDoes(JsonNode golden) {
        Scheduler scheduler = scheduler(golden);

        assertThat(scheduler.initNoiseSigma()).isCloseTo(golden.get("initNoiseSigma").asDouble(), percent());
        assertCloseTo(scheduler.timesteps(), Golden.doubles(golden.get("timesteps")));
        assertCloseTo(scheduler.sigmas(), Golden.doubles(golden.get("sigmas")));
        double[] sample = Golden.doubles(GOLDEN.get("sample"));
        double[] previous = new double[sample.length];
        for (int i = 0; i < sample.length; i++) {
            sample[i] *= scheduler.initNoiseSigma();
        }
        for (int step = 0; step < scheduler.steps(); step++) {
            StepCoefficients c = scheduler.coefficients(step);
            double[] eps = Golden.doubles(GOLDEN.get("modelOutputs").get(step));
            double[] noise = Golden.doubles(GOLDEN.get("noise").get(step));
            for (int i = 0; i < sample.length; i++) {
                double denoised = c.a() * sample[i] + c.b() * eps[i];
                sample[i] = c.p() * sample[i] + c.q() * denoised + c.r() * previous[i] + c.s() * noise[i];
                previous[i] = denoised;
            }
            double[] expected = Golden.doubles(golden.get("samples").get(step));
            // A value near zero is the difference of two large ones, so the largest value is the measure.
            double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
            assertThat(sample).as("sample after step %d", step).containsExactly(expected, offset(RELATIVE * largest));
        }
    }

    @Test
    void scalesWhatTheModelSeesToUnitVariance() {
        NoiseSchedule schedule = new NoiseSchedule(config("scaled_linear", "leading", "epsilon"));
        Scheduler euler = EulerAncestralDiscrete.of(schedule, 20);

        double sigma = euler.sigmas()[3];

        assertThat(euler.coefficients(3).inputScale()).isCloseTo(1 / Math.sqrt(sigma * sigma + 1), percent());
        assertThat(DpmSolverMultistep.of(schedule, 20).coefficients(3).inputScale()).isEqualTo(1);
    }

    @Test
    void everyNumberOfStepsThatARequestMayAskForIsFinite() {
        NoiseSchedule schedule = new NoiseSchedule(config("scaled_linear", "leading", "epsilon"));
        for (int steps = 1; steps <= 150; steps++) {
            List<Scheduler> schedulers = new ArrayList<>(List.of(
                    EulerAncestralDiscrete.of(schedule, steps), DpmSolverMultistep.of(schedule, steps),
                    EulerDiscrete.of(schedule, steps), Ddim.of(schedule, steps)));
            if (steps <= Lcm.ORIGINAL_STEPS) {
                schedulers.add(Lcm.of(schedule, steps));
            }
            for (Scheduler scheduler : schedulers) {
                for (int step = 0; step < steps; step++) {
                    for (float number : scheduler.coefficients(step).withGuidance(7.5)) {
                        assertThat(number).as("%s step %d of %d", scheduler, step, steps).isFinite();
                    }
                }
            }
        }
    }

    @Test
    void refusesWhatItDoesNotKnow() {
        assertThatThrownBy(() -> new NoiseSchedule(config("linear", "leading", "epsilon")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("scheduler.betaSchedule is linear; this worker knows scaled_linear.");
        assertThatThrownBy(() -> new NoiseSchedule(config("scaled_linear", "sideways", "epsilon")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("scheduler.timestepSpacing is sideways");
        assertThatThrownBy(() -> new NoiseSchedule(config("scaled_linear", "leading", "v_prediction")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("scheduler.predictionType is v_prediction");
    }

    @Test
    void withoutASpacingOfTheCheckpointsEachGoesByItsOwn() {
        NoiseSchedule none = new NoiseSchedule(config("scaled_linear", null, "epsilon"));
        NoiseSchedule linspace = new NoiseSchedule(config("scaled_linear", "linspace", "epsilon"));
        NoiseSchedule leading = new NoiseSchedule(config("scaled_linear", "leading", "epsilon"));

        assertThat(EulerAncestralDiscrete.of(none, 20).timesteps())
                .isEqualTo(EulerAncestralDiscrete.of(linspace, 20).timesteps());
        assertThat(EulerDiscrete.of(none, 20).initNoiseSigma()).isEqualTo(EulerDiscrete.of(linspace, 20).initNoiseSigma());
        assertThat(DpmSolverMultistep.of(none, 20).timesteps())
                .isEqualTo(DpmSolverMultistep.of(linspace, 20).timesteps());
        assertThat(Ddim.of(none, 20).timesteps()).isEqualTo(Ddim.of(leading, 20).timesteps());
    }

    private static Stream<Named<JsonNode>> cases() {
        return Golden.cases("schedulers.json").map(golden -> Named.of(
                golden.get("scheduler").asText() + ", " + golden.get("timestepSpacing").asText() + ", "
                        + golden.get("steps").asInt() + " steps",
                golden));
    }

    private static Scheduler scheduler(JsonNode golden) {
        NoiseSchedule schedule =
                new NoiseSchedule(config("scaled_linear", golden.get("timestepSpacing").asText(), "epsilon"));
        int steps = golden.get("steps").asInt();
        return switch (golden.get("scheduler").asText()) {
            case "euler-ancestral" -> EulerAncestralDiscrete.of(schedule, steps);
            case "dpmpp-2m" -> DpmSolverMultistep.of(schedule, steps);
            case "euler" -> EulerDiscrete.of(schedule, steps);
            case "ddim" -> Ddim.of(schedule, steps);
            case "lcm" -> Lcm.of(schedule, steps);
            default -> throw new IllegalArgumentException(golden.get("scheduler").asText());
        };
    }

    private static SchedulerConfig config(String betaSchedule, String spacing, String predictionType) {
        JsonNode config = GOLDEN.get("config");
        return new SchedulerConfig(config.get("beta_start").asDouble(), config.get("beta_end").asDouble(),
                betaSchedule, config.get("num_train_timesteps").asInt(), config.get("steps_offset").asInt(),
                Optional.ofNullable(spacing), predictionType);
    }

    private static void assertCloseTo(double[] actual, double[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(actual[i]).as("element %d", i).isCloseTo(expected[i], percent());
        }
    }

    private static Percentage percent() {
        return withinPercentage(100 * RELATIVE);
    }
}
