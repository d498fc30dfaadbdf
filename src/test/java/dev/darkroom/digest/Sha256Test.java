package dev.darkroom.digest;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Sha256Test {

    /** FIPS 180-2, B.1 and B.3. */
    private static final String ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    private static final String MILLION_A = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

    @Test
    void isThatOfTheStandard() {
        assertThat(Sha256.hex("abc")).isEqualTo(ABC);
        assertThat(Sha256.hex("abc".getBytes(UTF_8))).isEqualTo(ABC);
        assertThat(new Sha256().update("abc").bytes()).hasSize(32).startsWith(0xba, 0x78);
    }

    @Test
    void itDoesNotMatterInWhatPiecesTheContentComes() {
        assertThat(new Sha256().update("a").update("bc".getBytes(UTF_8)).hex()).isEqualTo(ABC);
    }

    @Test
    void aFileMayBeLargerThanTheBuffer(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("file");
        Files.writeString(file, "a".repeat(1_000_000));
        assertThat(Sha256.hex(file)).isEqualTo(MILLION_A);

        Files.writeString(file, "a".repeat(3_000_000));
        assertThat(Sha256.hex(file)).isEqualTo(Sha256.hex("a".repeat(3_000_000)));
    }
}
