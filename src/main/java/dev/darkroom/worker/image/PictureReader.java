package dev.darkroom.worker.image;

import com.twelvemonkeys.image.ResampleOp;
import dev.darkroom.diffusion.Fit;
import dev.darkroom.diffusion.ImageSize;
import dev.darkroom.diffusion.SourceImage;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBufferInt;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Optional;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Reads the pictures that images start from: PNG, JPEG and WebP files, upright, brought to the image's size. Any number of
 * threads may share it; they read one after the other, so that pictures of full size are in memory once.
 */
public final class PictureReader {

    private final long mostPixels;

    /** @param mostPixels most pixels that a picture may have; looked at before any are decoded */
    public PictureReader(long mostPixels) {
        this.mostPixels = mostPixels;
    }

    /**
     * Reads a picture, and its mask.
     *
     * @param picture the file
     * @param mask the file of the mask, as large as the picture: what is white is made anew, what is black is kept
     * @param size of the image
     * @throws UnreadablePictureException if one is no picture, is damaged or too large, or the two differ in size
     */
    public synchronized SourceImage read(byte[] picture, Optional<byte[]> mask, ImageSize size, Fit fit)
            throws UnreadablePictureException {
        Fitted fitted = fitted("image", picture, size, fit);
        Optional<byte[]> luminance = Optional.empty();
        if (mask.isPresent()) {
            Fitted fittedMask = fitted("mask", mask.get(), size, fit);
            if (fittedMask.width() != fitted.width() || fittedMask.height() != fitted.height()) {
                throw new UnreadablePictureException("mask", ("mask must be as large as image, which has %d×%d pixels, "
                        + "but has %d×%d.").formatted(
                        fitted.width(), fitted.height(), fittedMask.width(), fittedMask.height()));
            }
            luminance = Optional.of(luminance(fittedMask.picture()));
        }
        return new SourceImage(size.width(), size.height(), rgb(fitted.picture()), luminance);
    }

    /**
     * A picture at the image's size.
     *
     * @param width that it had, in pixels
     * @param height that it had, in pixels
     */
    private record Fitted(BufferedImage picture, int width, int height) {
    }

    private Fitted fitted(String field, byte[] file, ImageSize size, Fit fit) throws UnreadablePictureException {
        BufferedImage upright = upright(field, file);
        return new Fitted(fitted(upright, size, fit), upright.getWidth(), upright.getHeight());
    }

    private BufferedImage upright(String field, byte[] file) throws UnreadablePictureException {
        PictureFormat format = PictureFormat.of(file).orElseThrow(() ->
                new UnreadablePictureException(field, field + " must be a PNG, JPEG or WebP file, and is none."));
        BufferedImage decoded;
        ImageReader reader = ImageIO.getImageReadersByFormatName(format.reader()).next();
        try (ImageInputStream stream = new MemoryCacheImageInputStream(new ByteArrayInputStream(file))) {
            // Without its metadata, whose texts may inflate without end
            reader.setInput(stream, true, true);
            long pixels = (long) reader.getWidth(0) * reader.getHeight(0);
            if (pixels > mostPixels) {
                throw new UnreadablePictureException(field, "%s may have at most %d pixels, but has %d×%d.".formatted(
                        field, mostPixels, reader.getWidth(0), reader.getHeight(0)));
            }
            decoded = reader.read(0);
        } catch (IOException | RuntimeException e) {
            // Readers throw whatever they stumble on
            throw new UnreadablePictureException(field,
                    field + " cannot be read: the " + format + " file is damaged, or of an unusual kind.");
        } finally {
            reader.dispose();
        }
        int colors = decoded.getColorModel().getColorSpace().getType();
        if (colors != ColorSpace.TYPE_RGB && colors != ColorSpace.TYPE_GRAY) {
            throw new UnreadablePictureException(field,
                    field + " must have the colours of a screen, RGB or grey, and has others, such as the CMYK of a printer.");
        }
        return turned(decoded, ExifOrientation.of(format, file));
    }

    /** The picture as red, green and blue, put upright. */
    private static BufferedImage turned(BufferedImage picture, int orientation) {
        int width = picture.getWidth();
        int height = picture.getHeight();
        boolean onItsSide = orientation > 4;
        var upright = new BufferedImage(onItsSide ? height : width, onItsSide ? width : height, BufferedImage.TYPE_INT_RGB);
        int[] pixels = ((DataBufferInt) upright.getRaster().getDataBuffer()).getData();
        int[] row = new int[width];
        for (int y = 0; y < height; y++) {
            readRow(picture, y, row);
            for (int x = 0; x < width; x++) {
                int left = switch (orientation) {
                    case 2, 3 -> width - 1 - x;
                    case 5, 8 -> y;
                    case 6, 7 -> height - 1 - y;
                    default -> x;
                };
                int top = switch (orientation) {
                    case 3, 4 -> height - 1 - y;
                    case 5, 6 -> x;
                    case 7, 8 -> width - 1 - x;
                    default -> y;
                };
                pixels[top * upright.getWidth() + left] = row[x];
            }
        }
        return upright;
    }

    /** One row as red, green and blue, on white where the picture is transparent. */
    private static void readRow(BufferedImage picture, int y, int[] row) {
        ColorModel colors = picture.getColorModel();
        if (colors.getColorSpace().getType() == ColorSpace.TYPE_GRAY && !(colors instanceof IndexColorModel)) {
            // Java takes grey to be linear, and would make it brighter
            Raster raster = picture.getRaster();
            int shift = colors.getComponentSize(0) - 8;
            int mostAlpha = colors.hasAlpha() ? (1 << colors.getComponentSize(1)) - 1 : 0;
            for (int x = 0; x < row.length; x++) {
                int gray = raster.getSample(x, y, 0) >> shift;
                int alpha = mostAlpha == 0 ? 0xff : raster.getSample(x, y, 1) * 0xff / mostAlpha;
                row[x] = onWhite(alpha << 24 | gray * 0x010101);
            }
        } else {
            picture.getRGB(0, y, row.length, 1, row, 0, row.length);
            if (colors.hasAlpha()) {
                for (int x = 0; x < row.length; x++) {
                    row[x] = onWhite(row[x]);
                }
            }
        }
    }

    private static int onWhite(int argb) {
        int alpha = argb >>> 24;
        int rgb = 0;
        for (int shift = 16; shift >= 0; shift -= 8) {
            int channel = argb >> shift & 0xff;
            rgb |= (channel * alpha + 0xff * (0xff - alpha) + 0x7f) / 0xff << shift;
        }
        return rgb;
    }

    private static BufferedImage fitted(BufferedImage picture, ImageSize size, Fit fit) {
        double across = (double) size.width() / picture.getWidth();
        double down = (double) size.height() / picture.getHeight();
        return switch (fit) {
            case CROP -> {
                double scale = Math.max(across, down);
                int width = within(size.width() / scale, picture.getWidth());
                int height = within(size.height() / scale, picture.getHeight());
                int left = (picture.getWidth() - width) / 2;
                int top = (picture.getHeight() - height) / 2;
                yield scaled(picture.getSubimage(left, top, width, height), size.width(), size.height());
            }
            case CONTAIN -> {
                double scale = Math.min(across, down);
                int width = within(picture.getWidth() * scale, size.width());
                int height = within(picture.getHeight() * scale, size.height());
                yield onCanvas(scaled(picture, width, height), size);
            }
        };
    }

    private static int within(double length, int longest) {
        return (int) Math.max(1, Math.min(longest, Math.round(length)));
    }

    private static BufferedImage scaled(BufferedImage picture, int width, int height) {
        return picture.getWidth() == width && picture.getHeight() == height
                ? picture : new ResampleOp(width, height, ResampleOp.FILTER_LANCZOS).filter(picture, null);
    }

    private static BufferedImage onCanvas(BufferedImage picture, ImageSize size) {
        if (picture.getWidth() == size.width() && picture.getHeight() == size.height()) {
            return picture;
        }
        var canvas = new BufferedImage(size.width(), size.height(), BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = canvas.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, size.width(), size.height());
        graphics.drawImage(picture, (size.width() - picture.getWidth()) / 2, (size.height() - picture.getHeight()) / 2, null);
        graphics.dispose();
        return canvas;
    }

    private static byte[] rgb(BufferedImage picture) {
        byte[] rgb = new byte[3 * picture.getWidth() * picture.getHeight()];
        int[] pixels = pixels(picture);
        for (int i = 0; i < pixels.length; i++) {
            rgb[3 * i] = (byte) (pixels[i] >> 16);
            rgb[3 * i + 1] = (byte) (pixels[i] >> 8);
            rgb[3 * i + 2] = (byte) pixels[i];
        }
        return rgb;
    }

    /** ITU-R 601's luminance, in the integers in which Pillow computes it for diffusers. */
    private static byte[] luminance(BufferedImage picture) {
        int[] pixels = pixels(picture);
        byte[] luminance = new byte[pixels.length];
        for (int i = 0; i < pixels.length; i++) {
            int red = pixels[i] >> 16 & 0xff;
            int green = pixels[i] >> 8 & 0xff;
            int blue = pixels[i] & 0xff;
            luminance[i] = (byte) (19_595 * red + 38_470 * green + 7_471 * blue + 0x8000 >> 16);
        }
        return luminance;
    }

    private static int[] pixels(BufferedImage picture) {
        return picture.getRGB(0, 0, picture.getWidth(), picture.getHeight(), null, 0, picture.getWidth());
    }
}
