package dev.darkroom.diffusion;

/** The schedulers on offer, by the names that requests use. */
public enum SchedulerName {
    /** diffusers' {@code EulerAncestralDiscreteScheduler}. */
    EULER_ANCESTRAL("euler-ancestral"),
    /** diffusers' {@code DPMSolverMultistepScheduler}: dpmsolver++, order 2, midpoint. */
    DPMPP_2M("dpmpp-2m");

    private final String label;

    SchedulerName(String label) {
        this.label = label;
    }

    /** The name in requests and events. */
    public String label() {
        return label;
    }
}
