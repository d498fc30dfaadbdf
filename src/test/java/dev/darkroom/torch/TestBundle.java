package dev.darkroom.torch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.diffusion.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The built-in model's bundle with more to it than it comes with. */
public final class TestBundle {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;

    private TestBundle(Path folder) {
        this.folder = folder;
    }

    /** A copy in an empty folder, byte for byte. */
    public static TestBundle wholeMini(Path folder) {
        return copy(Mini.FOLDER, folder);
    }

    /** A copy of a bundle in an empty folder, byte for byte. */
    public static TestBundle copy(Path bundle, Path folder) {
        try (Stream<Path> files = Files.walk(bundle)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path copy = folder.resolve(bundle.relativize(file));
                Files.createDirectories(copy.getParent());
                Files.copy(file, copy);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new TestBundle(folder);
    }

    /** A copy in an empty folder, without the adapters that the model comes with. */
    public static TestBundle copyOfMini(Path folder) {
        return wholeMini(folder).edit(manifest -> {
            for (JsonNode adapter : manifest.withObjectProperty("adapters")) {
                manifest.withObjectProperty("files").remove(adapter.get("file").asText());
            }
            manifest.remove("adapters");
        });
    }

    public Path folder() {
        return folder;
    }

    /** Leaves files out. */
    TestBundle without(String... names) {
        return edit(manifest -> ((ObjectNode) manifest.get("files")).remove(List.of(names)));
    }

    /** Draws small images unless asked otherwise, where a test is not about what they show. */
    public TestBundle withSmallImages() {
        return edit(manifest -> manifest.putArray("sizes").addObject().put("width", 128).put("height", 128));
    }

    /** Adds one of the golden adapters, as {@code darkroom_bundle adapter add} does. */
    public TestBundle withAdapter(String name, boolean fewSteps) {
        String file = "adapters/" + name + ".safetensors";
        try (InputStream golden = Golden.class.getResourceAsStream("/golden/" + name + ".safetensors")) {
            Files.createDirectories(folder.resolve("adapters"));
            Files.copy(golden, folder.resolve(file));
            long bytes = Files.size(folder.resolve(file));
            edit(manifest -> {
                manifest.withObjectProperty("adapters").putObject(name).put("file", file).put("fewSteps", fewSteps);
                manifest.withObjectProperty("files").putObject(file)
                        .put("sha256", ModelBundle.sha256(folder.resolve(file))).put("bytes", bytes);
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return this;
    }

    /** Offers prompts of as many tokens. */
    public TestBundle withTextLengths(int... tokens) {
        return edit(manifest -> IntStream.of(tokens).forEach(manifest.putArray("textLengths")::add));
    }

    /** Adds the golden safety checker, as {@code darkroom_bundle compile --safety} does. */
    public TestBundle withSafetyChecker() {
        Path file = folder.resolve(ModelBundle.SAFETY_CHECKER);
        try (InputStream golden = Golden.class.getResourceAsStream("/golden/safety/" + ModelBundle.SAFETY_CHECKER)) {
            Files.copy(golden, file);
            long bytes = Files.size(file);
            return edit(manifest -> manifest.withObjectProperty("files").putObject(ModelBundle.SAFETY_CHECKER)
                    .put("sha256", ModelBundle.sha256(file)).put("bytes", bytes));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A change of the manifest. */
    @FunctionalInterface
    public interface Edit {
        void of(ObjectNode manifest);
    }

    public TestBundle edit(Edit edit) {
        Path file = folder.resolve(ModelBundle.MANIFEST);
        try {
            ObjectNode manifest = (ObjectNode) JSON.readTree(file.toFile());
            edit.of(manifest);
            JSON.writeValue(file.toFile(), manifest);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return this;
    }
}
