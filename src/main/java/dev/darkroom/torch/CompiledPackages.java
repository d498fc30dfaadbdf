package dev.darkroom.torch;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import dev.darkroom.diffusion.ImageSize;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The packages of a bundle that were compiled for one architecture, and are what their manifest says.
 *
 * @param folder where they are
 * @param architecture of the device: {@code sm_90}, or {@code cpu}
 * @param torchVersion what compiled them, and alone can run them
 * @param graphs each package by what it is for
 */
public record CompiledPackages(Path folder, String architecture, String torchVersion, Map<GraphKey, Package> graphs) {

    private static final String MANIFEST = "packages.json";
    private static final int FORMAT = 2;

    /**
     * One package: the module at one batch and size. Values that only the compiler needs are ignored.
     *
     * @param tokens of the embeddings, in a package of the denoising step; null is the bundle's {@code textLength}
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Package(String file, String sha256, String module, Boolean guided, Integer batchSize, Integer width,
            Integer height, Integer tokens) {

        public Package {
            if (file == null || sha256 == null || module == null || batchSize == null || (width == null) != (height == null)) {
                throw new BundleException(MANIFEST + ": a graph needs file, sha256, module and batchSize, and "
                        + "width and height or neither; found " + file + ".");
            }
        }

        GraphKey key(int textLength) {
            return new GraphKey(module, Boolean.TRUE.equals(guided), batchSize,
                    width == null ? Optional.empty() : Optional.of(new ImageSize(width, height)),
                    !module.equals(ModelBundle.UNET) ? 0 : tokens == null ? textLength : tokens);
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    private record Manifest(Integer format, String architecture, String torchVersion, Map<String, String> modules,
            List<Package> graphs) {

        Manifest {
            if (format == null || format != FORMAT) {
                throw new BundleException(
                        MANIFEST + ": the format is " + format + "; this worker reads format " + FORMAT
                                + ". Compile the bundle's packages again.");
            }
            if (architecture == null || torchVersion == null || modules == null || graphs == null) {
                throw new BundleException(
                        MANIFEST + " must have architecture, torchVersion, modules and graphs.");
            }
        }
    }

    /** Whether the bundle has compiled packages, for whatever architecture. */
    public static boolean in(ModelBundle bundle) {
        return Files.isDirectory(folder(bundle));
    }

    private static Path folder(ModelBundle bundle) {
        return bundle.folder().resolve("compiled");
    }

    /**
     * Reads the packages for an architecture and checks them against their manifest and against the bundle.
     *
     * @param architecture of the device at hand, as {@code sm_90}
     * @param engineVersion version of the torch at hand, as {@code 2.11.0}
     * @throws BundleException if there are none, one of them is damaged, or they were made from other modules,
     *     for another architecture or by another torch
     */
    public static CompiledPackages read(ModelBundle bundle, String architecture, String engineVersion) {
        Path folder = folder(bundle).resolve(architecture);
        Path file = folder.resolve(MANIFEST);
        if (!Files.isRegularFile(file)) {
            throw new BundleException("The bundle " + bundle.manifest().name() + " has no packages for "
                    + architecture + "; it has " + architectures(bundle) + ".");
        }
        Manifest manifest = ModelBundle.parse(file, Manifest.class);
        if (!manifest.architecture().equals(architecture)) {
            throw new BundleException("The packages in " + folder + " were compiled for "
                    + manifest.architecture() + ".");
        }
        if (!release(manifest.torchVersion()).equals(release(engineVersion))) {
            throw new BundleException("The bundle's packages were compiled with torch "
                    + manifest.torchVersion() + "; this worker runs torch " + engineVersion
                    + ". Compile them again with torch " + engineVersion + ".");
        }
        manifest.graphs().parallelStream().forEach(graph -> verify(bundle, manifest, folder, graph));
        int textLength = bundle.manifest().textLength();
        return new CompiledPackages(folder, architecture, manifest.torchVersion(), manifest.graphs().stream()
                .collect(Collectors.toUnmodifiableMap(graph -> graph.key(textLength), Function.identity())));
    }

    private static String architectures(ModelBundle bundle) {
        try (Stream<Path> folders = Files.list(folder(bundle))) {
            return folders.map(folder -> folder.getFileName().toString()).sorted().collect(Collectors.joining(", "));
        } catch (IOException e) {
            return "none";
        }
    }

    /** {@code 2.11.0} of {@code 2.11.0+cu130}. */
    private static String release(String version) {
        return version.replaceFirst("\\+.*", "");
    }

    private static void verify(ModelBundle bundle, Manifest manifest, Path folder, Package graph) {
        BundleManifest.FileDigest module = bundle.manifest().files().get(graph.module());
        if (module == null || !module.sha256().equals(manifest.modules().get(graph.module()))) {
            throw new BundleException("The package " + graph.file() + " was compiled from another "
                    + graph.module() + " than the bundle's. Compile the bundle's packages again.");
        }
        Path file = folder.resolve(graph.file()).normalize();
        if (!file.startsWith(folder.normalize())) {
            throw new BundleException(MANIFEST + ": the file " + graph.file() + " lies outside " + folder + ".");
        }
        String called = "The package " + graph.file();
        ModelBundle.verify(ModelBundle.requireFile(folder, file, called), called, graph.sha256(),
                " Compile the bundle's packages again.");
    }

    Path file(GraphKey graph) {
        return folder.resolve(graphs.get(graph).file());
    }
}
