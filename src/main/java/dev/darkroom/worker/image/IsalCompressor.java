package dev.darkroom.worker.image;

import ar.com.hjg.pngj.ImageInfo;
import ar.com.hjg.pngj.PngWriter;
import ar.com.hjg.pngj.pixels.CompressorStream;
import ar.com.hjg.pngj.pixels.PixelsWriter;
import ar.com.hjg.pngj.pixels.PixelsWriterDefault;
import com.intel.gkl.compression.IntelDeflater;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.zip.Adler32;
import java.util.zip.Deflater;

/**
 * A PNG's pixels by Intel's ISA-L: a zlib stream (RFC 1950) round the deflate stream that it makes of them all at once. Its
 * library, in the Genomics Kernel Library's jar, is there for Linux and macOS on x86-64.
 */
final class IsalCompressor extends CompressorStream {

    /** Deflate with a window of 32 KiB, the fastest level, no dictionary. */
    private static final byte[] ZLIB_HEADER = {0x78, 0x01};
    private static final int PART = 1 << 16;

    private static final boolean AVAILABLE = load();
    /** One a thread: closing one keeps what the JDK's own deflater holds until the next garbage collection. */
    private static final ThreadLocal<IntelDeflater> DEFLATER =
            ThreadLocal.withInitial(() -> new IntelDeflater(Deflater.BEST_SPEED, true));

    private final byte[] pixels;
    private int size;

    /** @param total bytes of all rows with their filters' bytes; {@link #done} is called after so many */
    private IsalCompressor(OutputStream out, int total) {
        super(out, PART, total);
        this.pixels = new byte[total];
    }

    static boolean isAvailable() {
        return AVAILABLE;
    }

    static PngWriter writer(OutputStream out, ImageInfo info) {
        return new PngWriter(out, info) {
            @Override
            protected PixelsWriter createPixelsWriter(ImageInfo rows) {
                return new PixelsWriterDefault(rows) {
                    @Override
                    protected void initParams() {
                        setCompressorStream(new IsalCompressor(getOs(), Math.toIntExact(rows.getTotalRawBytes())));
                        super.initParams();
                    }
                };
            }
        };
    }

    @Override
    protected void mywrite(byte[] bytes, int offset, int length) {
        System.arraycopy(bytes, offset, pixels, size, length);
        size += length;
        bytesIn += length;
    }

    @Override
    public void done() {
        if (done) {
            return;
        }
        done = true;
        IntelDeflater deflater = DEFLATER.get();
        deflater.reset();
        deflater.setInput(pixels, 0, size);
        deflater.finish();
        var checksum = new Adler32();
        checksum.update(pixels, 0, size);
        try {
            os.write(ZLIB_HEADER);
            // It wants all of its room at once; what does not compress takes 5 bytes more in 65,535
            byte[] compressed = new byte[size + size / 16 + PART];
            int length = deflater.deflate(compressed, 0, compressed.length);
            os.write(compressed, 0, length);
            bytesOut += length;
            os.write(ByteBuffer.allocate(Integer.BYTES).putInt((int) checksum.getValue()).array());
            os.close();
        } catch (IOException e) {
            throw new UncheckedIOException("writing a PNG to memory", e);
        }
    }

    private static boolean load() {
        try {
            // A folder that is gone once the library is in memory, where a process that is killed would leave it
            Path folder = Files.createTempDirectory("isal");
            boolean loaded = new IntelDeflater(Deflater.BEST_SPEED, true).load(folder.toFile());
            try (Stream<Path> unpacked = Files.list(folder)) {
                for (Path library : unpacked.toList()) {
                    Files.delete(library);
                }
            }
            Files.delete(folder);
            return loaded;
        } catch (IOException e) {
            return false;
        }
    }
}
