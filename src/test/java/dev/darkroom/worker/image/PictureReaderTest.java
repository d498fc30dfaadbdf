package dev.darkroom.worker.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.darkroom.diffusion.Fit;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.SourceImage;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The files are Pillow's, which diffusers reads pictures with. */
class PictureReaderTest {

    private static final Path FILES = Path.of("src/test/resources/golden/pictures/files");
    private static final ImageSize SIZE = new ImageSize(24, 16);

    private final PictureReader reader = new PictureReader(1_000_000);

    @ParameterizedTest
    @ValueSource(strings = {"upright.png", "orientation-1.jpg", "orientation-2.jpg", "orientation-3.jpg", "orientation-4.jpg",
        "orientation-5.jpg", "orientation-6.jpg", "orientation-7.jpg", "orientation-8.jpg", "orientation-6.png",
        "orientation-6.webp", "palette.png", "progressive.jpg"})
    void whateverAFileIsThePictureIsUpright(String name) throws Exception {
        byte[] rgb = reader.read(file(name), Optional.empty(), SIZE, Fit.CROP).rgb();

        assertThat(Golden.psnr(rgb, Golden.rgb("pictures/files/upright.png"))).isGreaterThan(35);
    }

    @Test
    void onePictureIsReadExactly() throws Exception {
        assertThat(reader.read(file("upright.png"), Optional.empty(), SIZE, Fit.CROP).rgb())
                .isEqualTo(Golden.rgb("pictures/files/upright.png"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gray.png", "gray.jpg"})
    void greyIsAsGreyAsTheFileHasIt(String name) throws Exception {
        byte[] rgb = reader.read(file(name), Optional.empty(), SIZE, Fit.CROP).rgb();

        // Pillow's luminance of (200, 30, 30)
        assertThat(rgb[0] & 0xff).isBetween(79, 83);
        assertThat(rgb[1]).isEqualTo(rgb[0]);
    }

    @Test
    void sixteenBitsOfGreyAreTheUpperEight() throws Exception {
        var picture = new BufferedImage(24, 16, BufferedImage.TYPE_USHORT_GRAY);
        picture.getRaster().setSample(0, 0, 0, 0x6420);

        assertThat(reader.read(png(picture), Optional.empty(), SIZE, Fit.CROP).rgb()).startsWith(0x64, 0x64, 0x64, 0, 0, 0);
    }

    @Test
    void whatIsTransparentIsWhite() throws Exception {
        byte[] rgb = reader.read(file("transparent.png"), Optional.empty(), SIZE, Fit.CROP).rgb();

        assertThat(Golden.psnr(rgb, Golden.rgb("pictures/files/upright.png"))).isGreaterThan(30);
        assertThat(pixel(rgb, 20, 2)).isEqualTo(0xffffff);
    }

    @Test
    void theMiddleIsCroppedToTheShape() throws Exception {
        byte[] rgb = reader.read(file("upright.png"), Optional.empty(), new ImageSize(8, 16), Fit.CROP).rgb();

        assertThat(pixel(rgb, 0, 0, 8)).isEqualTo(0x1ea028);
        assertThat(pixel(rgb, 7, 15, 8)).isEqualTo(0x1ea028);
    }

    @Test
    void orAllOfItIsKeptOnWhiteThatIsMadeAnew() throws Exception {
        byte[] black = png(new BufferedImage(24, 16, BufferedImage.TYPE_INT_RGB));

        SourceImage contained = reader.read(file("upright.png"), Optional.of(black), new ImageSize(24, 24), Fit.CONTAIN);

        byte[] upright = Golden.rgb("pictures/files/upright.png");
        assertThat(Arrays.copyOfRange(contained.rgb(), 3 * 24 * 4, 3 * 24 * 20)).isEqualTo(upright);
        assertThat(pixel(contained.rgb(), 0, 0)).isEqualTo(0xffffff);
        byte[] mask = contained.mask().orElseThrow();
        assertThat(mask[0]).as("beside the picture").isEqualTo((byte) 0xff);
        assertThat(mask[24 * 12]).as("in the picture").isZero();
    }

    @ParameterizedTest
    @EnumSource(Fit.class)
    void largePicturesAreScaledDown(Fit fit) throws Exception {
        var half = new BufferedImage(600, 400, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < 400; y++) {
            for (int x = 0; x < 300; x++) {
                half.setRGB(x, y, 0x4080c0);
            }
        }

        byte[] rgb = reader.read(png(half), Optional.empty(), SIZE, fit).rgb();

        assertThat(pixel(rgb, 2, 8)).isEqualTo(0x4080c0);
        assertThat(pixel(rgb, 21, 8)).isZero();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "cmyk.jpg | image must have the colours of a screen, RGB or grey, and has others, such as the CMYK of a printer.",
        "../images.json | image must be a PNG, JPEG or WebP file, and is none."
    })
    void whatItCannotReadIsSaid(String name, String sentence) {
        UnreadablePictureException refusal = catchThrowableOfType(UnreadablePictureException.class,
                () -> reader.read(file(name), Optional.empty(), SIZE, Fit.CROP));

        assertThat(refusal).hasMessage(sentence);
        assertThat(refusal.field()).isEqualTo("image");
    }

    @Test
    void tooManyPixelsAreNotDecoded() throws IOException {
        byte[] claim = file("upright.png");
        // 65,535 by 65,535, of which there is nothing in the file
        Arrays.fill(claim, 18, 20, (byte) 0xff);
        Arrays.fill(claim, 22, 24, (byte) 0xff);

        UnreadablePictureException refusal = catchThrowableOfType(UnreadablePictureException.class,
                () -> reader.read(file("upright.png"), Optional.of(claim), SIZE, Fit.CROP));

        assertThat(refusal).hasMessage("mask may have at most 1000000 pixels, but has 65535×65535.");
        assertThat(refusal.field()).isEqualTo("mask");
    }

    @Test
    void aMaskIsAsLargeAsItsPicture() throws IOException {
        byte[] other = png(new BufferedImage(16, 24, BufferedImage.TYPE_INT_RGB));

        assertThat(catchThrowableOfType(UnreadablePictureException.class,
                () -> reader.read(file("upright.png"), Optional.of(other), SIZE, Fit.CROP)))
                .hasMessage("mask must be as large as image, which has 24×16 pixels, but has 16×24.");
    }

    /** Bytes changed and files cut short: each ends in a picture or in a sentence. */
    @ParameterizedTest
    @ValueSource(strings = {"upright.png", "palette.png", "orientation-6.png", "orientation-6.jpg", "progressive.jpg",
        "orientation-6.webp"})
    void damageIsSaidOrReadOver(String name) throws IOException {
        byte[] whole = file(name);
        Random random = new Random(4711);
        for (int i = 0; i < 300; i++) {
            byte[] damaged = Arrays.copyOf(whole, i % 3 == 0 ? random.nextInt(whole.length) : whole.length);
            for (int k = 0; k < 3 && damaged.length > 12; k++) {
                damaged[8 + random.nextInt(damaged.length - 8)] = (byte) random.nextInt();
            }
            try {
                assertThat(reader.read(damaged, Optional.empty(), SIZE, Fit.CROP).rgb()).hasSize(3 * 24 * 16);
            } catch (UnreadablePictureException e) {
                assertThat(e).message().startsWith("image ").endsWith(".");
            }
        }
    }

    private static int pixel(byte[] rgb, int x, int y) {
        return pixel(rgb, x, y, SIZE.width());
    }

    private static int pixel(byte[] rgb, int x, int y, int width) {
        int at = 3 * (y * width + x);
        return (rgb[at] & 0xff) << 16 | (rgb[at + 1] & 0xff) << 8 | rgb[at + 2] & 0xff;
    }

    private static byte[] file(String name) throws IOException {
        return Files.readAllBytes(FILES.resolve(name));
    }

    private static byte[] png(BufferedImage picture) {
        var out = new ByteArrayOutputStream();
        try {
            ImageIO.write(picture, "png", out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }
}
