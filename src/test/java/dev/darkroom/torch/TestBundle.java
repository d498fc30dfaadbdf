package dev.darkroom.torch;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.diffusion.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The built-in model's bundle with more to it than it comes with. */
public final class TestBundle {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;

    private TestBundle(Path folder) {
        this.folder = folder;
    }

    /** A copy in an empty folder. */
    public static TestBundle copyOfMini(Path folder) {
        return copy(Mini.FOLDER, folder);
    }

    /** A copy of a bundle without packages and adapters, in an empty folder. */
    static TestBundle copy(Path bundle, Path folder) {
        try (Stream<Path> files = Files.list(bundle)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new TestBundle(folder);
    }

    public Path folder() {
        return folder;
    }

    /** Says that its weights draw in few steps, whether they do or not. */
    public TestBundle withFewSteps() {
        edit(manifest -> manifest.put("fewSteps", true));
        return this;
    }

    /** Leaves files out. */
    TestBundle without(String... names) {
        return edit(manifest -> ((ObjectNode) manifest.get("files")).remove(List.of(names)));
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
