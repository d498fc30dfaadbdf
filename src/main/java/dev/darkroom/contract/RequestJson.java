package dev.darkroom.contract;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Requests as JSON, the way that {@code image.requested.v1} wants them. */
final class RequestJson {

    private RequestJson() {
    }

    /**
     * A request as a sender would write it: what it leaves open is left out. Fields always come in the same order,
     * metadata sorted by key.
     */
    static ObjectNode of(GenerationRequest request) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("requestId", request.requestId());
        json.put("prompt", request.prompt());
        if (!request.negativePrompt().isEmpty()) {
            json.put("negativePrompt", request.negativePrompt());
        }
        // Left out where it is plain, so that requests from before it was there have the digest that they had
        if (!request.promptSyntax().equals(GenerationRequest.DEFAULT_PROMPT_SYNTAX)) {
            json.put("promptSyntax", request.promptSyntax());
        }
        json.put("profile", request.profile());
        Overrides overrides = request.overrides();
        overrides.width().ifPresent(width -> json.put("width", width));
        overrides.height().ifPresent(height -> json.put("height", height));
        overrides.steps().ifPresent(steps -> json.put("steps", steps));
        overrides.scheduler().ifPresent(scheduler -> json.put("scheduler", scheduler));
        overrides.guidanceScale().ifPresent(scale -> json.withObject("/guidance").put("scale", scale));
        overrides.guidanceCutoff().ifPresent(cutoff -> json.withObject("/guidance").put("cutoff", cutoff));
        overrides.decoder().ifPresent(decoder -> json.put("decoder", decoder));
        if (!overrides.adapters().isEmpty()) {
            ArrayNode adapters = json.putArray("adapters");
            overrides.adapters().forEach(adapter ->
                    adapters.addObject().put("name", adapter.name()).put("scale", adapter.scale()));
        }
        request.image().ifPresent(image -> put(json.putObject("image"), image.object())
                .put("strength", image.strength()).put("fit", image.fit()));
        request.mask().ifPresent(mask -> put(json.putObject("mask"), mask));
        request.seed().ifPresent(seed -> json.put("seed", seed));
        json.put("count", request.count());
        ObjectNode output = json.putObject("output").put("format", request.format().label());
        request.link().ifPresent(link -> output.put("link", link.toString()));
        request.deadline().ifPresent(deadline -> json.put("deadline", deadline.toString()));
        if (!request.metadata().isEmpty()) {
            ObjectNode metadata = json.putObject("metadata");
            request.metadata().forEach(metadata::put);
        }
        return json;
    }

    private static ObjectNode put(ObjectNode json, ObjectReference object) {
        return json.put("bucket", object.bucket()).put("key", object.key()).put("sha256", object.sha256());
    }

    /** The text that a request's digest is taken of: no white space, the seed resolved, no deadline. */
    static String canonical(GenerationRequest request, long seed) {
        ObjectNode json = of(request);
        json.put("seed", seed);
        json.remove("deadline");
        return json.toString();
    }
}
