package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.diffusion.ImageSize;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelBundleTest {

    @TempDir
    private Path folder;

    @BeforeEach
    void copyMini() {
        TestBundle.wholeMini(folder);
    }

    @Test
    void readsABundleThatIsWhole() {
        ModelBundle bundle = ModelBundle.read(folder);

        assertThat(bundle.manifest().name()).isEqualTo("mini");
        assertThat(bundle.manifest().sizes()).containsExactly(new ImageSize(256, 256), new ImageSize(128, 128));
        assertThat(bundle.manifest().batchSizes()).isSorted();
        assertThat(bundle.file(ModelBundle.UNET)).isRegularFile();
    }

    @Test
    void refusesAFileThatWasChanged() throws IOException {
        Files.write(folder.resolve("unet.pt"), new byte[] {0}, StandardOpenOption.APPEND);
        String expected = ModelBundle.read(Path.of("models/mini")).manifest().files().get("unet.pt").sha256();

        ModelBundle damaged = ModelBundle.read(folder);

        String sentence = "The bundle's file unet.pt is not the one in its manifest: expected SHA-256 "
                + expected + ", found (?!" + expected + ")[0-9a-f]{64}\\.";
        assertThatThrownBy(damaged::verify).isInstanceOf(BundleException.class).hasMessageMatching(sentence);
        assertThatThrownBy(() -> damaged.file("unet.pt")).isInstanceOf(BundleException.class).hasMessageMatching(sentence);
        assertThat(damaged.file("text_encoder.pt")).isRegularFile();
    }

    @ParameterizedTest
    @ValueSource(strings = {"tokenizer.json", "text_encoder.pt", "unet.pt", "vae_decoder.pt", "tiny_decoder.pt"})
    void refusesAMissingFile(String file) throws IOException {
        Files.delete(folder.resolve(file));

        assertThatThrownBy(() -> ModelBundle.read(folder))
                .isInstanceOf(BundleException.class)
                .hasMessage("The bundle's file " + file + " is missing from " + folder + ".");
    }

    @Test
    void refusesAFolderWithoutAManifest() throws IOException {
        Files.delete(folder.resolve("bundle.json"));

        assertThatThrownBy(() -> ModelBundle.read(folder))
                .isInstanceOf(BundleException.class)
                .hasMessage("There is no model bundle in " + folder + ": bundle.json is missing.");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"format\": 1 | \"format\": 2 | The bundle's format is 2; this worker reads format 1.",
        "stable-diffusion-1 | stable-diffusion-xl "
                + "| The bundle's architecture is stable-diffusion-xl; this worker runs stable-diffusion-1.",
        "\"name\" | \"nom\" | bundle.json: name is missing.",
        "\"latentScale\": 8 | \"latentScale\": 0 | bundle.json: latentScale is 0; it must be positive.",
        "\"width\": 128 | \"width\": 130 | bundle.json: the size 130x128 is not a positive multiple of latentScale, 8.",
        "\"textLength\": 77, | \"textLength\": 77, \"textLengths\": [154], "
                + "| 'bundle.json: textLengths begins with 154, and not with textLength, 77.'",
        "\"textLength\": 77, | \"textLength\": 77, \"textLengths\": [77, 100], "
                + "| 'bundle.json: the text length 100 is not a multiple of textLength, 77.'",
        "\"unet.pt\" | \"../unet.pt\" | bundle.json: files does not list unet.pt.",
        "\"files\": { | \"files\": {\"../secret\": {\"sha256\": \"00\", \"bytes\": 0}, "
                + "| bundle.json: the file ../secret lies outside the bundle.",
    })
    void refusesAManifestThatItCannotRun(String written, String instead, String sentence) throws IOException {
        edit(written, instead);

        assertThatThrownBy(() -> ModelBundle.read(folder)).isInstanceOf(BundleException.class).hasMessage(sentence);
    }

    @Test
    void refusesAManifestThatIsNotJson() throws IOException {
        Files.writeString(folder.resolve("bundle.json"), "format: 1");

        assertThatThrownBy(() -> ModelBundle.read(folder))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("is not JSON");
    }

    @ParameterizedTest
    @ValueSource(strings = {"2.7.1", "2.7.2", "2.11.0", "2.7.1+cpu", "3.0.0"})
    void runsOnTheTorchThatMadeItAndOnLaterOnes(String engine) {
        assertThatCode(() -> ModelBundle.read(folder).requireTorch(engine)).doesNotThrowAnyException();
    }

    @Test
    void refusesABundleOfANewerTorch() throws IOException {
        edit("\"torchVersion\": \"2.7.1\"", "\"torchVersion\": \"2.11.0+cu130\"");

        assertThatThrownBy(() -> ModelBundle.read(folder).requireTorch("2.7.1"))
                .isInstanceOf(BundleException.class)
                .hasMessage("The bundle mini was made with torch 2.11.0+cu130; this worker runs torch 2.7.1. "
                        + "Compile the bundle with torch 2.7.1 or older.");
    }

    private void edit(String written, String instead) throws IOException {
        Path manifest = folder.resolve("bundle.json");
        String json = Files.readString(manifest);
        assertThat(json).contains(written);
        Files.writeString(manifest, json.replace(written, instead));
    }
}
