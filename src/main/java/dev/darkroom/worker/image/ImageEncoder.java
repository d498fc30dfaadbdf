package dev.darkroom.worker.image;

import ar.com.hjg.pngj.FilterType;
import ar.com.hjg.pngj.ImageInfo;
import ar.com.hjg.pngj.ImageLineByte;
import ar.com.hjg.pngj.PngWriter;
import ar.com.hjg.pngj.chunks.PngChunkITXT;
import ar.com.hjg.pngj.chunks.PngChunkTEXT;
import ar.com.hjg.pngj.chunks.PngChunkTextVar;
import dev.darkroom.contract.Completed;
import dev.darkroom.contract.ImageFormat;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.zip.Deflater;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.metadata.IIOInvalidTreeException;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.stream.MemoryCacheImageOutputStream;
import org.w3c.dom.Node;

/** Turns pixels into the bytes of an image file. Stateless, any number of threads may share it. */
public final class ImageEncoder {

    static final String TEXT_KEY = "parameters";

    /** Where XMP's specification, part 3, puts a packet: a PNG's iTXt chunk, a JPEG's APP1 segment. */
    private static final String XMP_TEXT_KEY = "XML:com.adobe.xmp";
    private static final String XMP_SEGMENT = "http://ns.adobe.com/xap/1.0/\0";
    private static final String EXIF_SEGMENT = "Exif\0\0";
    private static final int APP1 = 0xe1;

    private static final float JPEG_QUALITY = 0.92f;
    private static final float WEBP_QUALITY = 0.9f;

    /*
     * Measured with pngj 2.1.0 on one core of a server, 512×512, zlib's fastest level: 11 ms an image with the spectrum of
     * photographs, 15 with the filter AVERAGE, 21 with PAETH. UP leaves the least but for PAETH where an image is flat, as
     * product images on white are (40 % less than AVERAGE), and 5 % more than AVERAGE of a photograph. Level 4 saves 5 % on
     * smooth ones, nothing on others, for half as long again. ISA-L takes 3 ms and 7 % less room than zlib.
     */
    private static final FilterType PNG_FILTER = FilterType.FILTER_UP;
    private static final int PNG_LEVEL = Deflater.BEST_SPEED;

    /**
     * Encodes one image.
     *
     * @param rgb the pixels row by row, three bytes each (red, green, blue); {@code 3 * width * height} bytes
     * @param parameters what the image was made from; PNGs carry it in their text chunk {@code parameters} (tEXt where it
     *     is Latin-1, iTXt otherwise), the other formats in Exif's {@code UserComment}
     * @param provenance what the file says in XMP; empty for no XMP
     * @throws IllegalArgumentException if there are not as many pixels as width and height say
     */
    public byte[] encode(ImageFormat format, int width, int height, byte[] rgb, ImageParameters parameters,
            Optional<Completed.Provenance> provenance) {
        if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
            throw new IllegalArgumentException(
                    "%d bytes of pixels do not make an RGB image of %d×%d".formatted(rgb.length, width, height));
        }
        String text = parameters.toText();
        Optional<byte[]> xmp = provenance.map(XmpPacket::of);
        return switch (format) {
            case PNG -> png(width, height, rgb, text, xmp);
            case JPEG -> jpeg(width, height, rgb, Exif.userComment(text), xmp);
            case WEBP -> WebpContainer.withMetadata(imageIo("webp", WEBP_QUALITY, width, height, rgb, List.of()),
                    width, height, Exif.userComment(text), xmp);
        };
    }

    private static byte[] png(int width, int height, byte[] rgb, String text, Optional<byte[]> xmp) {
        var out = new ByteArrayOutputStream(rgb.length / 2);
        var info = new ImageInfo(width, height, 8, false);
        PngWriter writer = IsalCompressor.isAvailable() ? IsalCompressor.writer(out, info) : new PngWriter(out, info);
        writer.setFilterType(PNG_FILTER);
        writer.setCompLevel(PNG_LEVEL);
        boolean latin1 = StandardCharsets.ISO_8859_1.newEncoder().canEncode(text);
        put(writer, latin1 ? new PngChunkTEXT(info) : new PngChunkITXT(info), TEXT_KEY, text);
        xmp.ifPresent(packet -> put(writer, new PngChunkITXT(info), XMP_TEXT_KEY, new String(packet, StandardCharsets.UTF_8)));
        var line = new ImageLineByte(info);
        int stride = 3 * width;
        for (int row = 0; row < height; row++) {
            System.arraycopy(rgb, row * stride, line.getScanlineByte(), 0, stride);
            writer.writeRow(line);
        }
        writer.end();
        return out.toByteArray();
    }

    private static void put(PngWriter writer, PngChunkTextVar chunk, String key, String text) {
        chunk.setKeyVal(key, text);
        if (chunk instanceof PngChunkITXT international) {
            // Not the library's "en": a prompt may be in any language, and XMP is in none
            international.setLangtag("");
        }
        // Before the pixels: not everybody reads on
        chunk.setPriority(true);
        writer.getMetadata().queueChunk(chunk);
    }

    private static byte[] jpeg(int width, int height, byte[] rgb, byte[] exif, Optional<byte[]> xmp) {
        List<byte[]> segments = new ArrayList<>();
        segments.add(segment(EXIF_SEGMENT, exif));
        xmp.ifPresent(packet -> segments.add(segment(XMP_SEGMENT, packet)));
        return imageIo("jpeg", JPEG_QUALITY, width, height, rgb, segments);
    }

    private static byte[] segment(String name, byte[] data) {
        byte[] begin = name.getBytes(StandardCharsets.US_ASCII);
        return ByteBuffer.allocate(begin.length + data.length).put(begin).put(data).array();
    }

    /** @param app1 the APP1 segments of a JPEG */
    private static byte[] imageIo(String format, float quality, int width, int height, byte[] rgb, List<byte[]> app1) {
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
            writer.write(null, new IIOImage(image, null, app1.isEmpty() ? null : metadata(writer, image, param, app1)), param);
        } catch (IOException e) {
            throw new UncheckedIOException("writing " + format + " to memory", e);
        } finally {
            writer.dispose();
        }
        return bytes.toByteArray();
    }

    private static IIOMetadata metadata(ImageWriter writer, BufferedImage image, ImageWriteParam param, List<byte[]> app1)
            throws IIOInvalidTreeException {
        IIOMetadata metadata = writer.getDefaultImageMetadata(ImageTypeSpecifier.createFromRenderedImage(image), param);
        String form = metadata.getNativeMetadataFormatName();
        Node root = metadata.getAsTree(form);
        Node markers = root.getLastChild();
        // Exif wants to come before all that are not about the file itself
        Node first = markers.getFirstChild();
        for (byte[] data : app1) {
            var node = new IIOMetadataNode("unknown");
            node.setAttribute("MarkerTag", Integer.toString(APP1));
            node.setUserObject(data);
            markers.insertBefore(node, first);
        }
        metadata.setFromTree(form, root);
        return metadata;
    }
}
