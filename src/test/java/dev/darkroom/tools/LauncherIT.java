package dev.darkroom.tools;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script {@code darkroom} with the packaged command line. */
class LauncherIT {

    /**
     * Runs in a folder whose name is the prompt, and copies out what has such a name: this JVM may not be able to name it.
     */
    private static final String SCRIPT = """
            prompt=$(printf 'ein Fu\\303\\237 \\347\\214\\253')
            mkdir "$prompt"
            cp "$1/darkroom" "$prompt/darkroom"
            ln -s "$1/target" "$1/models" "$prompt"
            echo "$prompt, blue" > "$prompt/$prompt.txt"
            cd "$prompt"
            ./darkroom generate "$prompt" --steps 1 --out "$prompt" > ../line 2> ../told
            cp "$prompt/000.png" ../image
            ./darkroom generate --prompts "$prompt.txt" --steps 1 --out "$prompt" > ../second
            """;

    @TempDir
    private Path folder;

    @Test
    void promptsAndFileNamesAreUtf8WhateverTheLocale() throws Exception {
        var builder = new ProcessBuilder("sh", "-eu", "-c", SCRIPT, "sh", Path.of("").toAbsolutePath().toString())
                .directory(folder.toFile()).inheritIO();
        builder.environment().put("LC_ALL", "C");

        assertThat(builder.start().waitFor()).as(folder.resolve("told").toString()).isZero();

        JsonNode line = new ObjectMapper().readTree(folder.resolve("line").toFile());
        assertThat(line.get("prompt").textValue()).isEqualTo("ein Fuß 猫");
        assertThat(line.get("file").textValue()).isEqualTo("ein Fuß 猫/000.png");
        assertThat(Files.readString(folder.resolve("told"), UTF_8)).contains("1 image in ein Fuß 猫 after");
        assertThat(Files.readString(folder.resolve("image"), ISO_8859_1))
                .contains(new String("ein Fuß 猫\nSteps: 1".getBytes(UTF_8), ISO_8859_1));
        assertThat(new ObjectMapper().readTree(folder.resolve("second").toFile()).get("prompt").textValue())
                .isEqualTo("ein Fuß 猫, blue");
    }
}
