package dev.darkroom.diffusion;

import java.util.Optional;

/**
 * The nine configurations of the study, by name. Each changes the one before it or a common ancestor in one respect;
 * {@link #FINAL} joins what the study found to be worth it.
 */
public enum Profile implements Labelled {
    BASELINE("baseline", SchedulerName.EULER_ANCESTRAL, 30, DecoderName.FULL, 1, false),
    COMPILED("compiled", SchedulerName.EULER_ANCESTRAL, 30, DecoderName.FULL, 1, true),
    COMPILED_TINY("compiled-tiny", SchedulerName.EULER_ANCESTRAL, 30, DecoderName.TINY, 1, true),
    EULER_30("euler-30", SchedulerName.EULER_ANCESTRAL, 30, DecoderName.FULL, 1, true),
    EULER_20("euler-20", SchedulerName.EULER_ANCESTRAL, 20, DecoderName.FULL, 1, true),
    DPM_20("dpm-20", SchedulerName.DPMPP_2M, 20, DecoderName.FULL, 1, true),
    EULER_20_CUTOFF("euler-20-cutoff", SchedulerName.EULER_ANCESTRAL, 20, DecoderName.FULL, 0.4, true),
    DPM_20_CUTOFF("dpm-20-cutoff", SchedulerName.DPMPP_2M, 20, DecoderName.FULL, 0.4, true),
    FINAL("final", SchedulerName.DPMPP_2M, 20, DecoderName.TINY, 0.4, true);

    private static final double GUIDANCE_SCALE = 7.5;

    private final String label;
    private final SchedulerName scheduler;
    private final int steps;
    private final DecoderName decoder;
    private final double guidanceCutoff;
    private final boolean compiled;

    Profile(String label, SchedulerName scheduler, int steps, DecoderName decoder, double guidanceCutoff,
            boolean compiled) {
        this.label = label;
        this.scheduler = scheduler;
        this.steps = steps;
        this.decoder = decoder;
        this.guidanceCutoff = guidanceCutoff;
        this.compiled = compiled;
    }

    @Override
    public String label() {
        return label;
    }

    /** The profile of this name; empty if there is none. */
    public static Optional<Profile> labelled(String label) {
        return Labelled.find(Profile.class, label);
    }

    /** All names, separated by commas, for messages that say what is allowed. */
    public static String labels() {
        return Labelled.all(Profile.class);
    }

    /** The profile's parameters at the model's default size. */
    public GenerationParameters parameters(ModelDescription model) {
        ImageSize size = model.defaultSize();
        return new GenerationParameters(size.width(), size.height(), steps, scheduler, GUIDANCE_SCALE, guidanceCutoff,
                decoder, compiled);
    }
}
