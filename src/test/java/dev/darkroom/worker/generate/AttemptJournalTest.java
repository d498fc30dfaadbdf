package dev.darkroom.worker.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.worker.StartException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AttemptJournalTest {

    private static final AttemptJournal.Entry ENTRY = new AttemptJournal.Entry("r-1", "digest");

    private final ObjectMapper json = new ObjectMapper();

    @TempDir
    Path folder;

    @Test
    void theNextProcessFindsWhatTheLastDidNotEnd() {
        try (AttemptJournal journal = AttemptJournal.open(folder, json)) {
            assertThat(journal.unfinished()).isEmpty();
            journal.begin(List.of(ENTRY));
        }
        try (AttemptJournal journal = AttemptJournal.open(folder, json)) {
            assertThat(journal.unfinished()).containsExactly(ENTRY);
        }
    }

    @Test
    void whatEndedInPeaceIsNotFound() {
        try (AttemptJournal journal = AttemptJournal.open(folder, json)) {
            journal.begin(List.of(ENTRY));
            journal.end();
        }
        try (AttemptJournal journal = AttemptJournal.open(folder, json)) {
            assertThat(journal.unfinished()).isEmpty();
        }
    }

    @Test
    void twoWorkersDoNotShareAJournal() {
        try (AttemptJournal first = AttemptJournal.open(folder, json);
                AttemptJournal second = AttemptJournal.open(folder, json)) {
            first.begin(List.of(ENTRY));
            assertThat(second.unfinished()).isEmpty();
        }
    }

    @Test
    void aDamagedJournalSuspectsNobody() throws Exception {
        try (AttemptJournal journal = AttemptJournal.open(folder, json)) {
            journal.begin(List.of(ENTRY));
        }
        Files.writeString(folder.resolve("worker-0").resolve("generating.json"), "[{\"requ");
        try (AttemptJournal journal = AttemptJournal.open(folder, json)) {
            assertThat(journal.unfinished()).isEmpty();
        }
    }

    @Test
    void aFolderThatCannotBeWrittenIsNamed() throws Exception {
        Path file = Files.createFile(folder.resolve("file"));
        assertThatThrownBy(() -> AttemptJournal.open(file, json))
                .isInstanceOf(StartException.class)
                .hasMessageContaining("darkroom.state-dir")
                .hasMessageContaining(file.toString());
    }
}
