package dev.darkroom.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import javax.imageio.ImageIO;

/** Data taken from diffusers by {@code src/test/python/golden.py}. */
public final class Golden {

    private Golden() {
    }

    public static JsonNode json(String name) {
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
            return new ObjectMapper().readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Stream<JsonNode> cases(String name) {
        return StreamSupport.stream(json(name).get("cases").spliterator(), false);
    }

    public static double[] doubles(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).mapToDouble(JsonNode::asDouble).toArray();
    }

    /** An image's pixels, row by row, three bytes each. */
    public static byte[] rgb(String name) {
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
            BufferedImage image = ImageIO.read(in);
            byte[] rgb = new byte[3 * image.getWidth() * image.getHeight()];
            int[] pixels = image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
            for (int i = 0; i < pixels.length; i++) {
                rgb[3 * i] = (byte) (pixels[i] >> 16);
                rgb[3 * i + 1] = (byte) (pixels[i] >> 8);
                rgb[3 * i + 2] = (byte) pixels[i];
            }
            return rgb;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A grey image's one channel, as the file has it: in sRGB, for which Java takes it to be linear, it would be brighter. */
    public static byte[] gray(String name) {
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
            return ((DataBufferByte) ImageIO.read(in).getRaster().getDataBuffer()).getData();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Peak signal-to-noise ratio of two images in decibels; infinite if they are equal. */
    public static double psnr(byte[] actual, byte[] expected) {
        if (actual.length != expected.length) {
            throw new IllegalArgumentException(actual.length + " bytes against " + expected.length);
        }
        double squares = 0;
        for (int i = 0; i < actual.length; i++) {
            double difference = (actual[i] & 0xff) - (expected[i] & 0xff);
            squares += difference * difference;
        }
        return 10 * Math.log10(255.0 * 255.0 * actual.length / squares);
    }
}
