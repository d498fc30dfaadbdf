package dev.darkroom.worker.image;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_16BE;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ar.com.hjg.pngj.PngReader;
import com.adobe.internal.xmp.XMPMeta;
import com.drew.imaging.ImageMetadataReader;
import com.drew.metadata.Directory;
import com.drew.metadata.exif.ExifDirectoryBase;
import com.drew.metadata.exif.ExifSubIFDDirectory;
import com.drew.metadata.xmp.XmpDirectory;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.ImageFormat;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageEncoderTest {

    private static final int WIDTH = 96;
    private static final int HEIGHT = 64;
    /** Of 灯台 🌅. */
    private static final String PROMPT_SHA256 = "0c29c9778c40a8b70e187f5b242b70a855a9257c996b887ce1868882bb7d897b";

    private final ImageEncoder encoder = new ImageEncoder();

    @Test
    void aPngHasThePixelsThatWereGiven() throws IOException {
        byte[] rgb = gradient();

        byte[] png = encoder.encode(ImageFormat.PNG, WIDTH, HEIGHT, rgb, parameters("a lighthouse"), Optional.empty());

        // read by another library than the one that wrote it
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
        assertThat(image.getWidth()).isEqualTo(WIDTH);
        assertThat(image.getHeight()).isEqualTo(HEIGHT);
        assertThat(pixels(image)).isEqualTo(rgb);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 255})
    void pixelsThatDoNotCompressAreWhole(int step) throws IOException {
        byte[] rgb = new byte[3 * 512 * 512];
        new Random(step).nextBytes(rgb);
        for (int i = 0; i < rgb.length; i += step) {
            rgb[i] = 0;
        }

        byte[] png = encoder.encode(ImageFormat.PNG, 512, 512, rgb, parameters("noise"), Optional.empty());

        assertThat(pixels(ImageIO.read(new ByteArrayInputStream(png)))).isEqualTo(rgb);
    }

    @Test
    void isalIsThereWhereItsLibraryRuns() {
        String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");

        assertThat(IsalCompressor.isAvailable()).isEqualTo(system.matches("(Linux|Mac OS X) (amd64|x86_64)"));
    }

    @Test
    void aPngCarriesItsParametersInTheFormOfAutomatic1111() {
        byte[] png = encoder.encode(ImageFormat.PNG, WIDTH, HEIGHT, gradient(), parameters("a lighthouse, café"),
                Optional.empty());

        assertThat(text(png)).isEqualTo("""
                a lighthouse, café
                Negative prompt: blurry
                Steps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: -3, Size: 96x64, Model hash: 0123456789, Model: mini""");
        assertThat(new String(png, ISO_8859_1)).contains("tEXtparameters\0a lighthouse, café");
    }

    @Test
    void textBeyondLatin1GoesIntoAnInternationalChunk() {
        byte[] png = encoder.encode(ImageFormat.PNG, WIDTH, HEIGHT, gradient(), parameters("灯台 🌅"), Optional.empty());

        assertThat(text(png)).startsWith("灯台 🌅\nNegative prompt: blurry\n");
        assertThat(new String(png, UTF_8)).contains("iTXtparameters\0").doesNotContain("tEXt");
    }

    @Test
    void withoutANegativePromptItsLineIsMissingAndOtherParametersComeLast() {
        var parameters = new ImageParameters("a lighthouse", "", 4, "Euler a", 7, 1, 8, 8, "ab", "sd: v1,5",
                Map.of("Decoder", "tiny"));

        assertThat(parameters.toText()).isEqualTo("""
                a lighthouse
                Steps: 4, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 8x8, \
                Model hash: ab, Model: "sd: v1,5", Decoder: tiny""");
    }

    @ParameterizedTest
    @EnumSource
    void everyFormatSaysThatAModelMadeTheImage(ImageFormat format) throws Exception {
        byte[] file = encoder.encode(format, WIDTH, HEIGHT, gradient(), parameters("灯台 🌅"), provenance("灯台 🌅"));

        XMPMeta xmp = directory(file, XmpDirectory.class).getXMPMeta();
        assertThat(xmp.getPropertyString("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "DigitalSourceType"))
                .isEqualTo("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia");
        assertThat(xmp.getPropertyString("http://ns.adobe.com/xap/1.0/", "CreatorTool")).isEqualTo("Darkroom");
        assertThat(xmp.getPropertyString("https://darkroom.dev/xmp/1.0/", "PromptSha256"))
                .isEqualTo(PROMPT_SHA256);
        assertThat(ExifTool.read(file, format)).allSatisfy(read -> {
            assertThat(read.at("/XMP:DigitalSourceType").asText())
                    .isEqualTo("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia");
            assertThat(read.at("/XMP:CreatorTool").asText()).isEqualTo("Darkroom");
            assertThat(read.at("/XMP:PromptSha256").asText()).isEqualTo(PROMPT_SHA256);
            assertThat(read.at(format == ImageFormat.PNG ? "/PNG:Parameters" : "/EXIF:UserComment").asText())
                    .startsWith("灯台 🌅\nNegative prompt: blurry\nSteps: 20");
            assertThat(read.has("ExifTool:Warning")).as(read.toString()).isFalse();
        });
    }

    @ParameterizedTest
    @EnumSource
    void withoutProvenanceThereIsNoXmp(ImageFormat format) throws Exception {
        byte[] file = encoder.encode(format, WIDTH, HEIGHT, gradient(), parameters("a lighthouse"), Optional.empty());

        assertThat(ImageMetadataReader.readMetadata(new ByteArrayInputStream(file)).getDirectoriesOfType(XmpDirectory.class))
                .isEmpty();
        assertThat(ExifTool.read(file, format)).allSatisfy(read ->
                assertThat(read.has("XMP:DigitalSourceType")).as(read.toString()).isFalse());
    }

    @ParameterizedTest
    @EnumSource(names = {"JPEG", "WEBP"})
    void otherFormatsCarryTheirParametersWhereAutomatic1111PutsThem(ImageFormat format) throws Exception {
        byte[] file = encoder.encode(format, WIDTH, HEIGHT, gradient(), parameters("灯台 🌅, café"), provenance("灯台 🌅, café"));

        byte[] comment = directory(file, ExifSubIFDDirectory.class).getByteArray(ExifDirectoryBase.TAG_USER_COMMENT);
        assertThat(new String(comment, 0, 8, US_ASCII)).isEqualTo("UNICODE\0");
        assertThat(new String(comment, 8, comment.length - 8, UTF_16BE)).isEqualTo("""
                灯台 🌅, café
                Negative prompt: blurry
                Steps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: -3, Size: 96x64, Model hash: 0123456789, Model: mini""");
    }

    @Test
    void aJpegBeginsAsJfifWithExifNext() {
        byte[] jpeg = encoder.encode(ImageFormat.JPEG, WIDTH, HEIGHT, gradient(), parameters("x"), provenance("x"));

        assertThat(new String(jpeg, ISO_8859_1)).matches("(?s)\u00ff\u00d8\u00ff\u00e0..JFIF.{10}\u00ff\u00e1..Exif.*");
    }

    @ParameterizedTest
    @EnumSource(names = {"JPEG", "WEBP"})
    void theLongestPromptsFit(ImageFormat format) throws Exception {
        String longest = "🌅".repeat(2_000);
        var parameters = new ImageParameters(longest, longest, 20, "Euler a", 7.5, 1, WIDTH, HEIGHT, "01", "mini", Map.of());

        byte[] file = encoder.encode(format, WIDTH, HEIGHT, gradient(), parameters, provenance(longest));

        byte[] comment = directory(file, ExifSubIFDDirectory.class).getByteArray(ExifDirectoryBase.TAG_USER_COMMENT);
        assertThat(new String(comment, 8, comment.length - 8, UTF_16BE)).isEqualTo(parameters.toText());
    }

    @ParameterizedTest
    @EnumSource(names = {"JPEG", "WEBP"})
    void aLossyImageIsCloseToThePixelsThatWereGiven(ImageFormat format) throws IOException {
        byte[] rgb = gradient();

        byte[] encoded = encoder.encode(format, WIDTH, HEIGHT, rgb, parameters("a lighthouse"), Optional.empty());

        assertThat(formatName(encoded)).isEqualToIgnoringCase(format.name());
        assertThat(psnr(pixels(ImageIO.read(new ByteArrayInputStream(encoded))), rgb)).isGreaterThan(35);
    }

    @Test
    void pixelsThatDoNotMakeTheSizeAreRefused() {
        assertThatThrownBy(() -> encoder.encode(ImageFormat.PNG, 8, 8, new byte[191], parameters("x"), Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("191 bytes of pixels do not make an RGB image of 8×8");
    }

    private static Optional<Completed.Provenance> provenance(String prompt) {
        return Optional.of(Completed.Provenance.ofPrompt(prompt, false));
    }

    private static <T extends Directory> T directory(byte[] file, Class<T> type) throws Exception {
        return ImageMetadataReader.readMetadata(new ByteArrayInputStream(file)).getFirstDirectoryOfType(type);
    }

    private static ImageParameters parameters(String prompt) {
        return new ImageParameters(prompt, "blurry", 20, "DPM++ 2M", 7.5, -3, WIDTH, HEIGHT,
                "0123456789abcdef", "mini", Map.of());
    }

    private static byte[] gradient() {
        byte[] rgb = new byte[3 * WIDTH * HEIGHT];
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++) {
                int at = 3 * (y * WIDTH + x);
                rgb[at] = (byte) (x * 255 / WIDTH);
                rgb[at + 1] = (byte) (y * 255 / HEIGHT);
                rgb[at + 2] = (byte) ((x + y) * 255 / (WIDTH + HEIGHT));
            }
        }
        return rgb;
    }

    private static byte[] pixels(BufferedImage image) {
        byte[] rgb = new byte[3 * image.getWidth() * image.getHeight()];
        int at = 0;
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                int pixel = image.getRGB(x, y);
                rgb[at++] = (byte) (pixel >> 16);
                rgb[at++] = (byte) (pixel >> 8);
                rgb[at++] = (byte) pixel;
            }
        }
        return rgb;
    }

    private static double psnr(byte[] actual, byte[] expected) {
        double sum = 0;
        for (int i = 0; i < expected.length; i++) {
            double difference = (actual[i] & 0xff) - (expected[i] & 0xff);
            sum += difference * difference;
        }
        return 10 * Math.log10(255.0 * 255.0 * expected.length / sum);
    }

    private static String formatName(byte[] encoded) throws IOException {
        Iterator<ImageReader> readers =
                ImageIO.getImageReaders(ImageIO.createImageInputStream(new ByteArrayInputStream(encoded)));
        return readers.next().getFormatName();
    }

    private static String text(byte[] png) {
        try (var input = new ByteArrayInputStream(png)) {
            var reader = new PngReader(input);
            reader.readSkippingAllRows();
            String text = reader.getMetadata().getTxtForKey(ImageEncoder.TEXT_KEY);
            reader.end();
            return text;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
