package dev.darkroom.tools.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StampTest {

    @TempDir
    private Path folder;

    @Test
    void aStepIsDoneOnceItHasEnded() {
        Stamp stamp = new Stamp(folder.resolve("steps/library"));
        assertThat(stamp.outcome("a")).isEmpty();
        assertThat(stamp.begun("a")).isFalse();

        stamp.begin("a");
        assertThat(stamp.outcome("a")).isEmpty();
        assertThat(stamp.begun("a")).isTrue();

        stamp.end("a", "built");
        assertThat(stamp.outcome("a")).contains("built");
        assertThat(stamp.begun("a")).isTrue();
    }

    @Test
    void aStepThatIsBegunAgainIsNotDone() {
        Stamp stamp = new Stamp(folder.resolve("library"));
        stamp.end("a", "built");

        stamp.begin("a");

        assertThat(stamp.outcome("a")).isEmpty();
    }

    @Test
    void aStepThatWasDoneFromSomethingElseIsNotDone() {
        Stamp stamp = new Stamp(folder.resolve("library"));
        stamp.end("a", "built");

        assertThat(stamp.outcome("b")).isEmpty();
        assertThat(stamp.begun("b")).isFalse();
    }

    @Test
    void partsDoNotRunTogether() {
        assertThat(Stamp.digest("ab", "c")).isNotEqualTo(Stamp.digest("a", "bc")).isEqualTo(Stamp.digest("ab", "c"));
    }

    @Test
    void sourcesAreTheirContentWhateverTheirTime() throws IOException {
        Path source = Files.writeString(folder.resolve("a.cpp"), "one");
        Files.writeString(folder.resolve("README.md"), "one");
        String before = Stamp.sources(folder, name -> name.endsWith(".cpp"));

        Files.setLastModifiedTime(source, FileTime.fromMillis(0));
        Files.writeString(folder.resolve("README.md"), "two");
        assertThat(Stamp.sources(folder, name -> name.endsWith(".cpp"))).isEqualTo(before);

        Files.writeString(source, "two");
        assertThat(Stamp.sources(folder, name -> name.endsWith(".cpp"))).isNotEqualTo(before);
    }

    @Test
    void listingsFollowLinksAndSeeATime() throws IOException {
        Path weights = Files.writeString(folder.resolve("weights"), "one");
        Path links = Files.createDirectories(folder.resolve("links"));
        Files.createSymbolicLink(links.resolve("unet"), weights);
        Files.setLastModifiedTime(weights, FileTime.fromMillis(0));
        String before = Stamp.listing(links);
        assertThat(Stamp.listing(links)).isEqualTo(before);

        Files.setLastModifiedTime(weights, FileTime.fromMillis(1000));

        assertThat(Stamp.listing(links)).isNotEqualTo(before);
    }
}
