package dev.darkroom.diffusion;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import java.util.Optional;

/**
 * The noise schedule that the model was trained with, in the terms of diffusers' scheduler configurations.
 *
 * @param timestepSpacing empty if the checkpoint names none: then each scheduler goes by its own, as with diffusers'
 *     {@code from_config}
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record SchedulerConfig(
        double betaStart,
        double betaEnd,
        String betaSchedule,
        int trainTimesteps,
        int stepsOffset,
        Optional<String> timestepSpacing,
        String predictionType) {
}
