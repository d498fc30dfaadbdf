package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.diffusion.ImageSize;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which packages are used, and which are refused; what is in the package files does not matter here. */
class CompiledPackagesTest {

    @TempDir
    private Path folder;

    private Path packages;
    private ModelBundle bundle;

    @BeforeEach
    void bundleWithPackages() throws IOException {
        TestBundle.copyOfMini(folder);
        bundle = ModelBundle.read(folder);
        packages = Files.createDirectories(folder.resolve("compiled/sm_90"));
        Files.writeString(packages.resolve("unet-guided-2-128x128.pt2"), "a step");
        Files.writeString(packages.resolve("unet-2-128x128-154.pt2"), "a step for long prompts");
        Files.writeString(packages.resolve("text_encoder-4.pt2"), "an encoder");
        Files.writeString(packages.resolve("packages.json"), """
                {"format": 2, "architecture": "sm_90", "torchVersion": "2.11.0+cu130",
                 "modules": {"unet.pt": "%s", "text_encoder.pt": "%s"},
                 "graphs": [
                  {"file": "unet-guided-2-128x128.pt2", "sha256": "%s", "bytes": 6, "module": "unet.pt", "guided": true,
                   "batchSize": 2, "width": 128, "height": 128, "relativeError": 0.003},
                  {"file": "unet-2-128x128-154.pt2", "sha256": "%s", "bytes": 23, "module": "unet.pt", "guided": false,
                   "batchSize": 2, "width": 128, "height": 128, "tokens": 154},
                  {"file": "text_encoder-4.pt2", "sha256": "%s", "bytes": 10, "module": "text_encoder.pt", "batchSize": 4}]}
                """.formatted(bundle.manifest().files().get("unet.pt").sha256(),
                bundle.manifest().files().get("text_encoder.pt").sha256(),
                ModelBundle.sha256(packages.resolve("unet-guided-2-128x128.pt2")),
                ModelBundle.sha256(packages.resolve("unet-2-128x128-154.pt2")),
                ModelBundle.sha256(packages.resolve("text_encoder-4.pt2"))));
    }

    @Test
    void findsEachPackageByWhatItIsFor() {
        CompiledPackages found = CompiledPackages.read(bundle, "sm_90", "2.11.0");

        assertThat(found.graphs()).containsOnlyKeys(
                GraphKey.step(true, 2, new ImageSize(128, 128), 77),
                GraphKey.step(false, 2, new ImageSize(128, 128), 154), GraphKey.textEncoder(4));
        assertThat(found.file(GraphKey.textEncoder(4))).isEqualTo(packages.resolve("text_encoder-4.pt2"));
        assertThat(found.torchVersion()).isEqualTo("2.11.0+cu130");
    }

    @Test
    void refusesAnotherArchitecture() {
        assertRefused("sm_80", "2.11.0", "The bundle mini has no packages for sm_80; it has sm_90.");
    }

    @Test
    void refusesPackagesThatWereMovedFromAnotherArchitecture() throws IOException {
        Files.move(packages, folder.resolve("compiled/sm_80"));

        assertRefused("sm_80", "2.11.0",
                "The packages in " + folder.resolve("compiled/sm_80") + " were compiled for sm_90.");
    }

    @Test
    void refusesAnotherTorch() {
        assertRefused("sm_90", "2.7.1", "The bundle's packages were compiled with torch 2.11.0+cu130; this worker runs "
                + "torch 2.7.1. Compile them again with torch 2.7.1.");
    }

    @Test
    void refusesPackagesOfAnotherModule() throws IOException {
        edit(bundle.manifest().files().get("text_encoder.pt").sha256(), "0000");

        assertRefused("sm_90", "2.11.0", "The package text_encoder-4.pt2 was compiled from another text_encoder.pt than the "
                + "bundle's. Compile the bundle's packages again.");
    }

    @Test
    void refusesAPackageThatWasChanged() throws IOException {
        Files.writeString(packages.resolve("text_encoder-4.pt2"), "another");

        assertThatThrownBy(() -> CompiledPackages.read(bundle, "sm_90", "2.11.0"))
                .isInstanceOf(BundleException.class)
                .hasMessageMatching("The package text_encoder-4.pt2 is not the one in its manifest: expected SHA-256 "
                        + "[0-9a-f]{64}, found [0-9a-f]{64}\\. Compile the bundle's packages again\\.");
    }

    @Test
    void refusesAMissingPackage() throws IOException {
        Files.delete(packages.resolve("text_encoder-4.pt2"));

        assertRefused("sm_90", "2.11.0", "The package text_encoder-4.pt2 is missing from " + packages + ".");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"format\": 2 | \"format\": 1 | packages.json: the format is 1; this worker reads format 2. "
                + "Compile the bundle's packages again.",
        "\"modules\" | \"parts\" | packages.json must have architecture, torchVersion, modules and graphs.",
        "\"batchSize\": 4 | \"batch\": 4 | packages.json: a graph needs file, sha256, module and batchSize, and width and "
                + "height or neither; found text_encoder-4.pt2.",
    })
    void refusesAManifestThatItCannotRead(String written, String instead, String sentence) throws IOException {
        edit(written, instead);

        assertRefused("sm_90", "2.11.0", sentence);
    }

    @Test
    void refusesAPackageOutsideOfItsFolder() throws IOException {
        edit("\"file\": \"text_encoder-4.pt2\"", "\"file\": \"../../unet.pt\"");

        assertRefused("sm_90", "2.11.0", "packages.json: the file ../../unet.pt lies outside " + packages + ".");
    }

    @Test
    void aDeviceWithoutOperatorsRunsNoPackages() {
        ComputeDevice device = ComputeDevice.open(new DeviceSelection(DeviceSelection.CPU, Optional.empty()));

        assertThatThrownBy(() -> device.packages(bundle))
                .isInstanceOf(DeviceException.class)
                .hasMessage("The operators' library is not loaded: PYTORCH_EXTRA_LIBRARY_PATH must name "
                        + "libdarkroom_operators.so, built for the torch at hand (src/main/cpp).");
    }

    private void assertRefused(String architecture, String engineVersion, String sentence) {
        assertThatThrownBy(() -> CompiledPackages.read(bundle, architecture, engineVersion))
                .isInstanceOf(BundleException.class)
                .hasMessage(sentence);
    }

    private void edit(String written, String instead) throws IOException {
        Path manifest = packages.resolve("packages.json");
        String json = Files.readString(manifest);
        assertThat(json).contains(written);
        Files.writeString(manifest, json.replace(written, instead));
    }
}
