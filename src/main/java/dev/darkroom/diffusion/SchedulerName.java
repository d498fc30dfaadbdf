package dev.darkroom.diffusion;

/** The schedulers on offer, by the names that requests use. */
public enum SchedulerName implements Labelled {
    /** diffusers' {@code EulerAncestralDiscreteScheduler}. */
    EULER_ANCESTRAL("euler-ancestral", "Euler a"),
    /** diffusers' {@code DPMSolverMultistepScheduler}: dpmsolver++, order 2, midpoint. */
    DPMPP_2M("dpmpp-2m", "DPM++ 2M"),
    /** diffusers' {@code EulerDiscreteScheduler}. */
    EULER("euler", "Euler"),
    /** diffusers' {@code DDIMScheduler} with {@code eta} 0. */
    DDIM("ddim", "DDIM"),
    /** diffusers' {@code LCMScheduler}, for models that were distilled for it. */
    LCM("lcm", "LCM");

    private static final int MOST_STEPS = 150;

    private final String label;
    private final String sampler;

    SchedulerName(String label, String sampler) {
        this.label = label;
        this.sampler = sampler;
    }

    /** The most steps that it can go by. */
    public int mostSteps() {
        return this == LCM ? Lcm.ORIGINAL_STEPS : MOST_STEPS;
    }

    /** Whether it only leads to an image with weights that were distilled for few steps. */
    public boolean needsFewStepWeights() {
        return this == LCM;
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
