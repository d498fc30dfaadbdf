package dev.darkroom.contract;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * What a request sets by itself instead of leaving it to its profile. All are empty unless the request has the field.
 *
 * @param width image width in pixels
 * @param height image height in pixels
 * @param steps number of inference steps
 * @param scheduler name of the scheduler: {@code euler-ancestral}, {@code dpmpp-2m}, {@code euler}, {@code ddim} or {@code lcm}
 * @param guidanceScale classifier-free guidance scale
 * @param guidanceCutoff fraction of the steps after which the unconditional branch is dropped; 1 never drops it
 * @param decoder name of the decoder: {@code full} or {@code tiny}
 * @param adapters beside those that the profile adds; in the order of their names, since any other means the same
 */
public record Overrides(
        OptionalInt width,
        OptionalInt height,
        OptionalInt steps,
        Optional<String> scheduler,
        OptionalDouble guidanceScale,
        OptionalDouble guidanceCutoff,
        Optional<String> decoder,
        List<Adapter> adapters) {

    public Overrides {
        adapters = adapters.stream().sorted(Comparator.comparing(Adapter::name)).toList();
    }

    /** Everything as the profile says. */
    public static final Overrides NONE = new Overrides(OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty(),
            Optional.empty(), OptionalDouble.empty(), OptionalDouble.empty(), Optional.empty(), List.of());
}
