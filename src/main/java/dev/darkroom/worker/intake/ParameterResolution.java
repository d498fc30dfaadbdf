package dev.darkroom.worker.intake;

import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.Overrides;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.worker.generate.Generator;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Arrays;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Turns a request into parameters: those of its profile, overridden by the request's own, checked against the model. */
@ApplicationScoped
class ParameterResolution {

    private final Generator generator;

    ParameterResolution(Generator generator) {
        this.generator = generator;
    }

    /** @throws UnsupportedParametersException if the model at hand does not offer what the request asks for */
    GenerationParameters resolve(GenerationRequest request) {
        ImageGenerator images = generator.images();
        GenerationParameters defaults = Profile.labelled(request.profile())
                .orElseThrow(() -> new UnsupportedParametersException("profile",
                        "There is no profile " + request.profile() + "; allowed are " + Profile.labels() + "."))
                .parameters(images.model());
        Overrides overrides = request.overrides();
        GenerationParameters parameters = new GenerationParameters(
                overrides.width().orElse(defaults.width()),
                overrides.height().orElse(defaults.height()),
                overrides.steps().orElse(defaults.steps()),
                overrides.scheduler()
                        .map(label -> named("scheduler", label, SchedulerName.values(), SchedulerName::label))
                        .orElse(defaults.scheduler()),
                overrides.guidanceScale().orElse(defaults.guidanceScale()),
                overrides.guidanceCutoff().orElse(defaults.guidanceCutoff()),
                overrides.decoder()
                        .map(label -> named("decoder", label, DecoderName.values(), DecoderName::label))
                        .orElse(defaults.decoder()),
                defaults.compiled());
        images.check(parameters);
        return parameters;
    }

    private static <E> E named(String field, String label, E[] values, Function<E, String> name) {
        return Arrays.stream(values)
                .filter(value -> name.apply(value).equals(label))
                .findFirst()
                .orElseThrow(() -> new UnsupportedParametersException(field,
                        "There is no " + field + " " + label + "; allowed are "
                                + Arrays.stream(values).map(name).collect(Collectors.joining(", ")) + "."));
    }
}
