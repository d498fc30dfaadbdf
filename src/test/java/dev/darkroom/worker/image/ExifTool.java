package dev.darkroom.worker.image;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.ImageFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** What exiftool (Debian's libimage-exiftool-perl) reads in a file, where it is installed. */
final class ExifTool {

    private ExifTool() {
    }

    /** All that it finds, named {@code GROUP:Tag}; empty where it is not installed. */
    static List<JsonNode> read(byte[] file, ImageFormat format) throws IOException, InterruptedException {
        if (Arrays.stream(System.getenv("PATH").split(":")).map(folder -> Path.of(folder, "exiftool"))
                .noneMatch(Files::isExecutable)) {
            return List.of();
        }
        Path image = Files.createTempFile("image", "." + format.extension());
        try {
            Files.write(image, file);
            Process process = new ProcessBuilder("exiftool", "-json", "-G", image.toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT).start();
            JsonNode read = new ObjectMapper().readTree(process.getInputStream());
            process.waitFor();
            return List.of(read.get(0));
        } finally {
            Files.delete(image);
        }
    }
}
