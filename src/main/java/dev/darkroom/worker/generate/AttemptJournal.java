package dev.darkroom.worker.generate;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.Identity;
import dev.darkroom.worker.StartException;
import dev.darkroom.worker.claim.Job;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.jboss.logging.Logger;

/**
 * Which requests are being generated right now, in a local file that outlives the process. If the process ends in the
 * middle of them, the next one in the same place finds their names: one of them may have ended it. Written on the
 * generating thread in some tens of microseconds; not synchronised to the disk, since only the process may die under it.
 *
 * <p>Each process locks a folder of its own below the state folder, so that several workers can share that.
 */
final class AttemptJournal implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(AttemptJournal.class);
    private static final int MOST_PROCESSES = 64;

    private final ObjectMapper json;
    private final Path file;
    private final FileChannel lockFile;

    /** A request that was being generated. */
    record Entry(String requestId, String digest) {

        static Entry of(Job job) {
            return new Entry(job.identity().requestId(), job.identity().digest());
        }

        Identity identity() {
            return new Identity(requestId, digest);
        }
    }

    private AttemptJournal(ObjectMapper json, Path file, FileChannel lockFile) {
        this.json = json;
        this.file = file;
        this.lockFile = lockFile;
    }

    /**
     * Opens the first journal below the folder that no other process holds.
     *
     * @throws StartException if the folder cannot be written
     */
    static AttemptJournal open(Path folder, ObjectMapper json) {
        try {
            for (int i = 0; i < MOST_PROCESSES; i++) {
                Path own = Files.createDirectories(folder.resolve("worker-" + i));
                FileChannel lockFile = FileChannel.open(own.resolve("lock"),
                        StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                if (lock(lockFile)) {
                    return new AttemptJournal(json, own.resolve("generating.json"), lockFile);
                }
                lockFile.close();
            }
            throw new StartException("darkroom.state-dir is " + folder + "; more than " + MOST_PROCESSES
                    + " workers use it, and that is the most.", null);
        } catch (IOException e) {
            throw new StartException("darkroom.state-dir is " + folder + "; it must be a folder that can be written to.", e);
        }
    }

    private static boolean lock(FileChannel lockFile) throws IOException {
        try {
            FileLock lock = lockFile.tryLock();
            return lock != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }

    /** What was being generated when the last process in this place ended; empty if it ended in peace. */
    List<Entry> unfinished() {
        if (!Files.exists(file)) {
            return List.of();
        }
        try {
            return json.readValue(file.toFile(), new TypeReference<>() {
            });
        } catch (IOException e) {
            // Cut short by the end of the process: whom to suspect cannot be told any more
            LOG.warnf("journal=unreadable file=%s reason=\"%s\"", file, e.getMessage());
            return List.of();
        }
    }

    void begin(List<Entry> entries) {
        write(entries);
    }

    void end() {
        write(List.of());
    }

    private void write(List<Entry> entries) {
        try {
            Files.write(file, json.writeValueAsBytes(entries));
        } catch (IOException e) {
            // Generating is worth more than knowing whom to suspect
            LOG.warnf("journal=unwritable file=%s reason=\"%s\"", file, e.getMessage());
        }
    }

    @Override
    public void close() {
        try {
            lockFile.close();
        } catch (IOException e) {
            LOG.debug("closing the journal", e);
        }
    }
}
