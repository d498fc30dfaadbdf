package dev.darkroom.diffusion;

/** How inference steps are spread over the trained timesteps, by diffusers' names (Lin et al. 2023, table 2). */
enum TimestepSpacing implements Labelled {
    LEADING("leading"),
    LINSPACE("linspace"),
    TRAILING("trailing");

    private final String label;

    TimestepSpacing(String label) {
        this.label = label;
    }

    @Override
    public String label() {
        return label;
    }
}
