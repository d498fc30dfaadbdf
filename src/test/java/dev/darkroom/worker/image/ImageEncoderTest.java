package dev.darkroom.worker.image;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ar.com.hjg.pngj.PngReader;
import dev.darkroom.contract.ImageFormat;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Iterator;
import java.util.Map;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ImageEncoderTest {

    private static final int WIDTH = 96;
    private static final int HEIGHT = 64;

    private final ImageEncoder encoder = new ImageEncoder();

    @Test
    void aPngHasThePixelsThatWereGiven() throws IOException {
        byte[] rgb = gradient();

        byte[] png = encoder.encode(ImageFormat.PNG, WIDTH, HEIGHT, rgb, parameters("a lighthouse"));

        // read by another library than the one that wrote it
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
        assertThat(image.getWidth()).isEqualTo(WIDTH);
        assertThat(image.getHeight()).isEqualTo(HEIGHT);
        assertThat(pixels(image)).isEqualTo(rgb);
    }

    @Test
    void aPngCarriesItsParametersInTheFormOfAutomatic1111() {
        byte[] png = encoder.encode(ImageFormat.PNG, WIDTH, HEIGHT, gradient(), parameters("a lighthouse, café"));

        assertThat(text(png)).isEqualTo("""
                a lighthouse, café
                Negative prompt: blurry
                Steps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: -3, Size: 96x64, Model hash: 0123456789, Model: mini""");
        assertThat(new String(png, ISO_8859_1)).contains("tEXtparameters\0a lighthouse, café");
    }

    @Test
    void textBeyondLatin1GoesIntoAnInternationalChunk() {
        byte[] png = encoder.encode(ImageFormat.PNG, WIDTH, HEIGHT, gradient(), parameters("灯台 🌅"));

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
    @EnumSource(names = {"JPEG", "WEBP"})
    void aLossyImageIsCloseToThePixelsThatWereGiven(ImageFormat format) throws IOException {
        byte[] rgb = gradient();

        byte[] encoded = encoder.encode(format, WIDTH, HEIGHT, rgb, parameters("a lighthouse"));

        assertThat(formatName(encoded)).isEqualToIgnoringCase(format.name());
        assertThat(psnr(pixels(ImageIO.read(new ByteArrayInputStream(encoded))), rgb)).isGreaterThan(35);
    }

    @Test
    void pixelsThatDoNotMakeTheSizeAreRefused() {
        assertThatThrownBy(() -> encoder.encode(ImageFormat.PNG, 8, 8, new byte[191], parameters("x")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("191 bytes of pixels do not make an RGB image of 8×8");
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
