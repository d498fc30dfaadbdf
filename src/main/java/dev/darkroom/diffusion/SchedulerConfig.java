package dev.darkroom.diffusion;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;

/** The noise schedule that the model was trained with, in the terms of diffusers' scheduler configurations. */
@JsonIgnoreProperties(ignoreUnknown = true)
public record SchedulerConfig(
        double betaStart,
        double betaEnd,
        String betaSchedule,
        int trainTimesteps,
        int stepsOffset,
        String timestepSpacing,
        String predictionType) {
}
