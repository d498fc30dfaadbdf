package dev.darkroom.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JournalTest {

    private static final Journal.Entry ENTRY = new Journal.Entry("r-1", "digest");

    private final ObjectMapper json = new ObjectMapper();

    @TempDir
    Path folder;

    @Test
    void theNextProcessFindsWhatTheLastDidNotEnd() {
        try (Journal journal = Journal.open(folder, json)) {
            assertThat(journal.unfinished()).isEmpty();
            journal.begin(List.of(ENTRY));
        }
        try (Journal journal = Journal.open(folder, json)) {
            assertThat(journal.unfinished()).containsExactly(ENTRY);
        }
    }

    @Test
    void whatEndedInPeaceIsNotFound() {
        try (Journal journal = Journal.open(folder, json)) {
            journal.begin(List.of(ENTRY));
            journal.end();
        }
        try (Journal journal = Journal.open(folder, json)) {
            assertThat(journal.unfinished()).isEmpty();
        }
    }

    @Test
    void twoWorkersDoNotShareAJournal() {
        try (Journal first = Journal.open(folder, json); Journal second = Journal.open(folder, json)) {
            first.begin(List.of(ENTRY));
            assertThat(second.unfinished()).isEmpty();
        }
    }

    @Test
    void aDamagedJournalSuspectsNobody() throws Exception {
        try (Journal journal = Journal.open(folder, json)) {
            journal.begin(List.of(ENTRY));
        }
        Files.writeString(folder.resolve("worker-0").resolve("generating.json"), "[{\"requ");
        try (Journal journal = Journal.open(folder, json)) {
            assertThat(journal.unfinished()).isEmpty();
        }
    }

    @Test
    void aFolderThatCannotBeWrittenIsNamed() throws Exception {
        Path file = Files.createFile(folder.resolve("file"));
        assertThatThrownBy(() -> Journal.open(file, json))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("darkroom.state-dir")
                .hasMessageContaining(file.toString());
    }
}
