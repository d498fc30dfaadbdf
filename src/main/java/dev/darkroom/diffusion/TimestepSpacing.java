package dev.darkroom.diffusion;

import java.util.Arrays;
import java.util.Optional;

/** How inference steps are spread over the trained timesteps, by diffusers' names (Lin et al. 2023, table 2). */
enum TimestepSpacing {
    LEADING("leading"),
    LINSPACE("linspace"),
    TRAILING("trailing");

    private final String label;

    TimestepSpacing(String label) {
        this.label = label;
    }

    static Optional<TimestepSpacing> labelled(String label) {
        return Arrays.stream(values()).filter(spacing -> spacing.label.equals(label)).findFirst();
    }
}
