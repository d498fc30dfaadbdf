package dev.darkroom.torch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import dev.darkroom.digest.Sha256;
import java.io.IOException;
import java.lang.Runtime.Version;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jboss.logging.Logger;

/**
 * A model bundle. Its files are compared with its manifest in the background, gigabytes as they are, and none is handed
 * out before it is known to be the one in the manifest.
 */
public final class ModelBundle {

    private static final Logger LOG = Logger.getLogger(ModelBundle.class);

    public static final String MANIFEST = "bundle.json";
    public static final String TOKENIZER = "tokenizer.json";
    public static final String TEXT_ENCODER = "text_encoder.pt";
    public static final String UNET = "unet.pt";
    public static final String VAE_DECODER = "vae_decoder.pt";
    public static final String TINY_DECODER = "tiny_decoder.pt";
    public static final String VAE_ENCODER = "vae_encoder.pt";
    public static final String TINY_ENCODER = "tiny_encoder.pt";
    public static final String SAFETY_CHECKER = "safety_checker.pt";

    static final int FORMAT = 1;
    static final String ARCHITECTURE = "stable-diffusion-1";
    static final List<String> REQUIRED_FILES =
            List.of(TOKENIZER, TEXT_ENCODER, UNET, VAE_DECODER, TINY_DECODER);

    private static final ObjectMapper JSON =
            new ObjectMapper().registerModule(new Jdk8Module()).enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES);

    private final Path folder;
    private final BundleManifest manifest;
    private final String digest;
    private final Map<String, CompletableFuture<Path>> files;

    private ModelBundle(
            Path folder, BundleManifest manifest, String digest, Map<String, CompletableFuture<Path>> files) {
        this.folder = folder;
        this.manifest = manifest;
        this.digest = digest;
        this.files = files;
    }

    /**
     * Reads a bundle's manifest, sees that its files are there, and begins to compare them with it.
     *
     * @throws BundleException if the bundle is missing, incomplete, or of a format or architecture that this worker does
     *     not run
     */
    public static ModelBundle read(Path folder) {
        BundleManifest manifest = manifest(folder);
        Map<String, Path> found = new HashMap<>();
        manifest.files().keySet().forEach(name -> found.put(name, find(folder, name)));
        long start = System.nanoTime();
        Map<String, CompletableFuture<Path>> files = new HashMap<>();
        found.forEach((name, path) -> files.put(name, CompletableFuture.supplyAsync(() -> {
            verify(path, called(name), manifest.files().get(name).sha256(), "");
            return path;
        })));
        ModelBundle bundle = new ModelBundle(folder, manifest, sha256(folder.resolve(MANIFEST)), files);
        bundle.verification().thenRun(() -> LOG.infof("bundle=verified name=%s digest=%s ms=%d", manifest.name(),
                bundle.digest, (System.nanoTime() - start) / 1_000_000));
        return bundle;
    }

    /**
     * A bundle's manifest alone.
     *
     * @throws BundleException if it is missing, or of a format or architecture that this worker does not run
     */
    public static BundleManifest manifest(Path folder) {
        Path file = folder.resolve(MANIFEST);
        if (!Files.isRegularFile(file)) {
            throw new BundleException("There is no model bundle in " + folder + ": " + MANIFEST + " is missing.");
        }
        return parse(file, BundleManifest.class);
    }

    private CompletableFuture<Void> verification() {
        return CompletableFuture.allOf(files.values().toArray(CompletableFuture[]::new));
    }

    /**
     * Waits until every file was compared with the manifest.
     *
     * @throws BundleException if one differs
     */
    public void verify() {
        await(verification());
    }

    /**
     * The path of one of the files that the manifest lists, once that file was compared with it.
     *
     * @throws BundleException if it differs
     */
    public Path file(String name) {
        return await(files.get(name));
    }

    private static <T> T await(CompletableFuture<T> verification) {
        try {
            return verification.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof BundleException refusal ? refusal : e;
        }
    }

    /** Where the bundle is. */
    public Path folder() {
        return folder;
    }

    /** Its {@code bundle.json}. */
    public BundleManifest manifest() {
        return manifest;
    }

    /** SHA-256 of {@code bundle.json}, lower-case hex. */
    public String digest() {
        return digest;
    }

    /**
     * Refuses a bundle whose modules were saved by a newer torch than the one that is to run them: TorchScript is
     * read by the version that wrote it and by later ones.
     *
     * @param engineVersion version of the torch at hand, as {@code 2.7.1}
     */
    public void requireTorch(String engineVersion) {
        if (torchRelease(manifest.torchVersion()).compareTo(torchRelease(engineVersion)) > 0) {
            throw new BundleException("The bundle " + manifest.name() + " was made with torch "
                    + manifest.torchVersion() + "; this worker runs torch " + engineVersion
                    + ". Compile the bundle with torch " + engineVersion + " or older.");
        }
    }

    private static Version torchRelease(String version) {
        try {
            return Version.parse(version.replaceFirst("[^0-9.].*", "").replaceFirst("(\\.0)+$", ""));
        } catch (IllegalArgumentException e) {
            throw new BundleException("\"" + version + "\" is not a torch version, as 2.7.1 is one.", e);
        }
    }

    /** Reads a manifest whose record refuses wrong values with a {@link BundleException}. */
    static <T> T parse(Path file, Class<T> manifest) {
        try {
            return JSON.readValue(file.toFile(), manifest);
        } catch (JsonMappingException e) {
            if (e.getCause() instanceof BundleException refusal) {
                throw refusal;
            }
            throw new BundleException(file + " is not a manifest: " + e.getOriginalMessage(), e);
        } catch (JsonProcessingException e) {
            throw new BundleException(file + " is not JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new BundleException("Cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    private static String called(String name) {
        return "The bundle's file " + name;
    }

    private static Path find(Path folder, String name) {
        Path file = folder.resolve(name).normalize();
        if (!file.startsWith(folder.normalize())) {
            throw new BundleException("bundle.json: the file " + name + " lies outside the bundle.");
        }
        return requireFile(folder, file, called(name));
    }

    /**
     * Refuses a file that is missing.
     *
     * @param called what a refusal calls the file
     */
    static Path requireFile(Path folder, Path file, String called) {
        if (!Files.isRegularFile(file)) {
            throw new BundleException(called + " is missing from " + folder + ".");
        }
        return file;
    }

    /**
     * Refuses a file that is not the one that its manifest means.
     *
     * @param called what a refusal calls the file
     * @param remedy what a refusal ends with
     */
    static void verify(Path file, String called, String expected, String remedy) {
        String found = sha256(file);
        if (!found.equals(expected)) {
            throw new BundleException(called + " is not the one in its manifest: expected SHA-256 " + expected
                    + ", found " + found + "." + remedy);
        }
    }

    static String sha256(Path file) {
        try {
            return Sha256.hex(file);
        } catch (IOException e) {
            throw new BundleException("Cannot read " + file + ": " + e.getMessage(), e);
        }
    }
}
