package dev.darkroom.diffusion;

/** The schedulers on offer, by the names that requests use. */
public enum SchedulerName implements Labelled {
    /** diffusers' {@code EulerAncestralDiscreteScheduler}. */
    EULER_ANCESTRAL("euler-ancestral", "Euler a"),
    /** diffusers' {@code DPMSolverMultistepScheduler}: dpmsolver++, order 2, midpoint. */
    DPMPP_2M("dpmpp-2m", "DPM++ 2M");

    private final String label;
    private final String sampler;

    SchedulerName(String label, String sampler) {
        this.label = label;
        this.sampler = sampler;
    }

    @Override
    public String label() {
        return label;
    }

    /** The name that AUTOMATIC1111 gave it, for the parameters that an image carries. */
    public String sampler() {
        return sampler;
    }
}
