package dev.darkroom.worker.intake;

import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.InputImage;
import dev.darkroom.contract.ObjectReference;
import dev.darkroom.contract.Overrides;
import dev.darkroom.diffusion.DecoderName;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.ImageGenerator;
import dev.darkroom.diffusion.ImagePrompt;
import dev.darkroom.diffusion.ImageToImage;
import dev.darkroom.diffusion.Labelled;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.diffusion.ModelDescription;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.PromptSyntax;
import dev.darkroom.diffusion.SchedulerName;
import dev.darkroom.diffusion.UnsupportedParametersException;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.generate.Generator;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.List;
import java.util.Optional;

/** Turns a request into parameters: those of its profile, overridden by the request's own, checked against the model. */
@ApplicationScoped
class ParameterResolution {

    private final Generator generator;
    private final List<String> buckets;

    ParameterResolution(DarkroomConfig config, Generator generator) {
        this.generator = generator;
        this.buckets = config.inputs().buckets().orElse(List.of());
    }

    /** What generates. */
    ModelDescription model() {
        return generator.images().model();
    }

    /** @throws UnsupportedParametersException if the model at hand does not offer what the request asks for */
    GenerationParameters resolve(GenerationRequest request) {
        ImageGenerator images = generator.images();
        Overrides overrides = request.overrides();
        GenerationParameters defaults = profile(request.profile()).parameters(images.model(), overrides.adapters().stream()
                .map(adapter -> new LoraAdapter(adapter.name(), adapter.scale())).toList());
        GenerationParameters parameters = new GenerationParameters(
                overrides.width().orElse(defaults.width()),
                overrides.height().orElse(defaults.height()),
                overrides.steps().orElse(defaults.steps()),
                overrides.scheduler()
                        .map(label -> named("scheduler", label, SchedulerName.class))
                        .orElse(defaults.scheduler()),
                overrides.guidanceScale().orElse(defaults.guidanceScale()),
                overrides.guidanceCutoff().orElse(defaults.guidanceCutoff()),
                overrides.decoder()
                        .map(label -> named("decoder", label, DecoderName.class))
                        .orElse(defaults.decoder()),
                defaults.compiled(),
                defaults.adapters());
        Optional<InputImage> image = request.image();
        if (image.isPresent()) {
            requireOffered("image", image.get().object());
            request.mask().ifPresent(mask -> requireOffered("mask", mask));
            parameters = parameters.startingFrom(new ImageToImage(image.get().strength(), request.mask().isPresent()));
        }
        images.check(parameters);
        // Refuses weights that are not on offer
        var prompt = new ImagePrompt(request.prompt(), request.negativePrompt(),
                named("promptSyntax", request.promptSyntax(), PromptSyntax.class), request.resolvedSeed());
        return images.reading(parameters, List.of(prompt));
    }

    private void requireOffered(String field, ObjectReference object) {
        if (!buckets.contains(object.bucket())) {
            throw new UnsupportedParametersException(field, field + " is in the bucket " + object.bucket()
                    + "; this worker takes pictures from "
                    + (buckets.isEmpty() ? "no bucket" : String.join(", ", buckets)) + ".");
        }
    }

    private static Profile profile(String label) {
        return Profile.labelled(label).orElseThrow(() -> unknown("profile", label, Profile.labels()));
    }

    private static <E extends Enum<E> & Labelled> E named(String field, String label, Class<E> type) {
        return Labelled.find(type, label).orElseThrow(() -> unknown(field, label, Labelled.all(type)));
    }

    private static UnsupportedParametersException unknown(String field, String label, String allowed) {
        return new UnsupportedParametersException(field,
                "There is no " + field + " " + label + "; allowed are " + allowed + ".");
    }
}
