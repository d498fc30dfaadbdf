package dev.darkroom.worker.image;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What an image was made from, for the image itself to carry.
 *
 * @param prompt what it shows
 * @param negativePrompt what it must not show; empty for nothing
 * @param steps inference steps
 * @param sampler the scheduler by the name that AUTOMATIC1111 gave it: {@code Euler a}, {@code DPM++ 2M}
 * @param guidanceScale classifier-free guidance scale
 * @param seed the image's seed
 * @param width in pixels
 * @param height in pixels
 * @param modelHash SHA-256 of the model, hex; its first ten digits are written
 * @param model the model's name
 * @param others further parameters by name, written last in the map's order
 */
public record ImageParameters(
        String prompt,
        String negativePrompt,
        int steps,
        String sampler,
        double guidanceScale,
        long seed,
        int width,
        int height,
        String modelHash,
        String model,
        Map<String, String> others) {

    /**
     * The parameters as text, in the form that AUTOMATIC1111's Stable Diffusion web UI made common
     * ({@code modules/infotext_utils.py}) and that galleries and other interfaces read:
     *
     * <pre>
     * a lighthouse at dusk
     * Negative prompt: blurry
     * Steps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 1, Size: 512x512, Model hash: 0123456789, Model: mini
     * </pre>
     */
    public String toText() {
        var fields = new LinkedHashMap<String, String>();
        fields.put("Steps", Integer.toString(steps));
        fields.put("Sampler", sampler);
        fields.put("CFG scale", plain(guidanceScale));
        fields.put("Seed", Long.toString(seed));
        fields.put("Size", width + "x" + height);
        fields.put("Model hash", modelHash.substring(0, Math.min(10, modelHash.length())));
        fields.put("Model", model);
        fields.putAll(others);
        String lastLine = fields.entrySet().stream()
                .map(field -> field.getKey() + ": " + quoted(field.getValue()))
                .collect(Collectors.joining(", "));
        String negativeLine = negativePrompt.isEmpty() ? "" : "Negative prompt: " + negativePrompt + "\n";
        return prompt + "\n" + negativeLine + lastLine;
    }

    private static String plain(double number) {
        return number == Math.rint(number) && Math.abs(number) < 1e9
                ? Long.toString((long) number) : Double.toString(number);
    }

    /** Values with separators in them are JSON strings, as in the original. */
    private static String quoted(String value) {
        if (value.chars().noneMatch(c -> c == ',' || c == ':' || c == '\n')) {
            return value;
        }
        return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
    }
}
