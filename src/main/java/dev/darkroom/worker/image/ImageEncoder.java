package dev.darkroom.worker.image;

import ar.com.hjg.pngj.FilterType;
import ar.com.hjg.pngj.ImageInfo;
import ar.com.hjg.pngj.ImageLineByte;
import ar.com.hjg.pngj.PngWriter;
import dev.darkroom.contract.ImageFormat;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.Deflater;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Turns pixels into the bytes of an image file. Stateless, any number of threads may share it. */
public final class ImageEncoder {

    static final String TEXT_KEY = "parameters";

    private static final float JPEG_QUALITY = 0.92f;
    private static final float WEBP_QUALITY = 0.9f;

    /*
     * Measured with pngj 2.1.0 on one core of a server, 512×512, images with the spectrum of photographs: 11 ms for smooth
     * ones to 21 ms for grainy ones, so 48 images a second at the least. Level 4 takes 18 to 28 ms and saves 5 % on smooth
     * ones, nothing on others; the adaptive filter chooses this one; Paeth is half as fast. Huffman coding alone takes
     * 10 ms, but more room where an image is flat, as product images on white are. Intel's ISA-L (com.intel.gkl 0.9.1) takes a
     * third of the processor time and 7 % less room, but it is for x86 alone and brings four libraries of genomics; a worker's
     * cores are not what it waits for.
     */
    private static final FilterType PNG_FILTER = FilterType.FILTER_AVERAGE;
    private static final int PNG_LEVEL = Deflater.BEST_SPEED;

    /**
     * Encodes one image.
     *
     * @param rgb the pixels row by row, three bytes each (red, green, blue); {@code 3 * width * height} bytes
     * @param parameters what the image was made from; PNGs carry it in their text chunk {@code parameters} (tEXt where it
     *     is Latin-1, iTXt otherwise), the other formats do not
     * @throws IllegalArgumentException if there are not as many pixels as width and height say
     */
    public byte[] encode(ImageFormat format, int width, int height, byte[] rgb, ImageParameters parameters) {
        if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
            throw new IllegalArgumentException(
                    "%d bytes of pixels do not make an RGB image of %d×%d".formatted(rgb.length, width, height));
        }
        return switch (format) {
            case PNG -> png(width, height, rgb, parameters.toText());
            case JPEG -> imageIo("jpeg", JPEG_QUALITY, width, height, rgb);
            case WEBP -> imageIo("webp", WEBP_QUALITY, width, height, rgb);
        };
    }

    static byte[] png(int width, int height, byte[] rgb, String text) {
        var out = new ByteArrayOutputStream(rgb.length / 2);
        var info = new ImageInfo(width, height, 8, false);
        var writer = new PngWriter(out, info);
        writer.setFilterType(PNG_FILTER);
        writer.setCompLevel(PNG_LEVEL);
        boolean latin1 = StandardCharsets.ISO_8859_1.newEncoder().canEncode(text);
        writer.getMetadata().setText(TEXT_KEY, text, latin1, false);
        var line = new ImageLineByte(info);
        int stride = 3 * width;
        for (int row = 0; row < height; row++) {
            System.arraycopy(rgb, row * stride, line.getScanlineByte(), 0, stride);
            writer.writeRow(line);
        }
        writer.end();
        return out.toByteArray();
    }

    private static byte[] imageIo(String format, float quality, int width, int height, byte[] rgb) {
        var image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        int[] packed = new int[width * height];
        for (int i = 0; i < packed.length; i++) {
            packed[i] = (rgb[3 * i] & 0xff) << 16 | (rgb[3 * i + 1] & 0xff) << 8 | rgb[3 * i + 2] & 0xff;
        }
        image.getRaster().setDataElements(0, 0, width, height, packed);
        ImageWriter writer = ImageIO.getImageWritersByFormatName(format).next();
        var bytes = new ByteArrayOutputStream(rgb.length / 8);
        try (var out = new MemoryCacheImageOutputStream(bytes)) {
            ImageWriteParam param = writer.getDefaultWriteParam();
            param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
            if (param.getCompressionType() == null) {
                param.setCompressionType(param.getCompressionTypes()[0]);
            }
            param.setCompressionQuality(quality);
            writer.setOutput(out);
            writer.write(null, new IIOImage(image, null, null), param);
        } catch (IOException e) {
            throw new UncheckedIOException("writing " + format + " to memory", e);
        } finally {
            writer.dispose();
        }
        return bytes.toByteArray();
    }
}
