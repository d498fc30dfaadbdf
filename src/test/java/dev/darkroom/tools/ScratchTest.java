package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class ScratchTest {

    /** No process has it: Linux gives none above 2^22. */
    private static final String NOBODY = "4194399";

    @Test
    void whatAKilledRunLeftIsRemovedByTheNextOneOfItsCommand() throws IOException {
        Path killed = Files.createDirectories(Home.scratch("scratch-test-" + NOBODY).resolve("state"));
        Path other = Home.scratch("scratch-other-" + NOBODY);
        Path running = Home.scratch("scratch-test-" + ProcessHandle.current().parent().orElseThrow().pid());

        Scratch scratch = Scratch.of("scratch-test");

        assertThat(killed).doesNotExist();
        assertThat(other).exists();
        assertThat(running).exists();
        scratch.end(true);
        assertThat(scratch.folder()).doesNotExist();
        Folders.delete(other);
        Folders.delete(running);
    }

    @Test
    void theLogsOfAFailedRunStayForADay() throws IOException {
        Path failed = Home.scratch("scratch-failed-" + NOBODY);
        Path mark = Files.writeString(failed.resolve("failed"), "");

        Scratch scratch = Scratch.of("scratch-failed");
        assertThat(failed).exists();
        Files.setLastModifiedTime(mark, FileTime.from(Instant.now().minus(Duration.ofHours(25))));
        Scratch.of("scratch-failed").end(true);

        assertThat(failed).doesNotExist();
        scratch.keep();
        assertThat(scratch.folder()).doesNotExist();
    }
}
