package dev.darkroom.engine;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.lang.Runtime.Version;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * A model bundle whose files are what its manifest says.
 *
 * @param folder where the bundle is
 * @param manifest its {@code bundle.json}
 * @param digest SHA-256 of {@code bundle.json}, lower-case hex
 */
public record ModelBundle(Path folder, BundleManifest manifest, String digest) {

    public static final String MANIFEST = "bundle.json";
    public static final String TOKENIZER = "tokenizer.json";
    public static final String TEXT_ENCODER = "text_encoder.pt";
    public static final String UNET = "unet.pt";
    public static final String VAE_DECODER = "vae_decoder.pt";
    public static final String TINY_DECODER = "tiny_decoder.pt";

    static final int FORMAT = 1;
    static final String ARCHITECTURE = "stable-diffusion-1";
    static final List<String> REQUIRED_FILES =
            List.of(TOKENIZER, TEXT_ENCODER, UNET, VAE_DECODER, TINY_DECODER);

    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES);

    /**
     * Reads a bundle's manifest and checks every file against it.
     *
     * @throws BundleException if the bundle is missing, damaged, incomplete, or of a format or architecture that this
     *     worker does not run
     */
    public static ModelBundle read(Path folder) {
        Path file = folder.resolve(MANIFEST);
        if (!Files.isRegularFile(file)) {
            throw new BundleException("There is no model bundle in " + folder + ": " + MANIFEST + " is missing.");
        }
        BundleManifest manifest = parse(file, BundleManifest.class);
        manifest.files().entrySet().parallelStream().forEach(entry -> verify(folder, entry));
        return new ModelBundle(folder, manifest, sha256(file));
    }

    /** The path of one of the bundle's files. */
    public Path file(String name) {
        return folder.resolve(name);
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

    private static void verify(Path folder, Map.Entry<String, BundleManifest.FileDigest> entry) {
        Path file = folder.resolve(entry.getKey()).normalize();
        if (!file.startsWith(folder.normalize())) {
            throw new BundleException("bundle.json: the file " + entry.getKey() + " lies outside the bundle.");
        }
        verify(folder, file, "The bundle's file " + entry.getKey(), entry.getValue().sha256(), "");
    }

    /**
     * Refuses a file that is missing or is not the one that its manifest means.
     *
     * @param called what a refusal calls the file
     * @param remedy what a refusal of another content ends with
     */
    static void verify(Path folder, Path file, String called, String expected, String remedy) {
        if (!Files.isRegularFile(file)) {
            throw new BundleException(called + " is missing from " + folder + ".");
        }
        String found = sha256(file);
        if (!found.equals(expected)) {
            throw new BundleException(called + " is not the one in its manifest: expected SHA-256 " + expected
                    + ", found " + found + "." + remedy);
        }
    }

    static String sha256(Path file) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            try (InputStream in = new DigestInputStream(Files.newInputStream(file), sha256)) {
                byte[] buffer = new byte[1 << 20];
                while (in.read(buffer) >= 0) {
                    continue;
                }
            }
            return HexFormat.of().formatHex(sha256.digest());
        } catch (IOException e) {
            throw new BundleException("Cannot read " + file + ": " + e.getMessage(), e);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
