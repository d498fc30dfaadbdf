package dev.darkroom.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.Darkroom;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DarkroomTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            genrate                              | Unmatched argument at index 0: 'genrate'
            generate                             | there is nothing to generate: give a PROMPT, or a file of prompts
            generate a --prompts b               | give either a PROMPT or --prompts FILE, not both
            generate --prompts no-such-file      | there is no file no-such-file
            generate a --count 0                 | --count is 0; it must be at least 1
            generate a --profile fastest         | there is no profile 'fastest'; there are baseline, compiled,
            generate a --scheduler plms | there is no scheduler 'plms'; there are euler-ancestral, dpmpp-2m, euler, ddim, lcm
            generate a --decoder huge            | there is no decoder 'huge'; there are full, tiny
            generate a --device gpu              | 'gpu' is no device; it is cpu, or a GPU's index from 0
            generate a --adapter ink:5           | 'ink:5' is not NAME or NAME:SCALE, the scale from -4 to 4
            generate a --adapter ink:much        | 'ink:much' is not NAME or NAME:SCALE, the scale from -4 to 4
            generate a --scheduler lcm           | adapters that make them so: lcm
            generate a --steps many              | 'many' is not an int
            demo a --count 9                     | --count is 9; a request may ask for 1 to 8 images
            demo a b                             | Unmatched argument at index 2: 'b'
            bench --requests 0                   | --requests is 0; it must be at least 1
            bench --devices 0                    | --devices names one device; it must name those of two workers or more
            bench --devices 0,1 --requests 7     | --requests is 7; for 2 workers it must be at least 8, one for each partition
            send                                 | Missing required parameter: 'FILE'
            gpu                                  | Missing required subcommand: setup or doctor
            gpu setup --checkpoint no-such-dir   | --checkpoint is no-such-dir, and there is no such folder
            gpu setup --size 512                 | --size is 512; it must be WIDTHxHEIGHT in multiples of 8 pixels
            gpu setup --size 512x500             | --size is 512x500; it must be WIDTHxHEIGHT in multiples of 8 pixels
            gpu setup --batch-size 0             | --batch-size is 0; it must be at least 1
            gpu setup --jobs 0                   | --jobs is 0; it must be at least 1
            gpu setup --device one               | 'one' is no device; it is cpu, or a GPU's index from 0
            cancel                               | Missing required parameter: 'ID'
            cancel a a/b                         | 'a/b' is no request id: the request id is not 1 to 64 of letters
            send --link 8d x                     | '8d' is not a time from 1h to 168h, or from 1d to 7d
            send --link 1d --no-validate x       | give either --link or --no-validate
            lifecycle                            | Missing required option: '--retention=DAYS'
            lifecycle --retention 36h            | '36h' is not whole days from 1d to 3650d
            lifecycle --retention 0d             | '0d' is not whole days from 1d to 3650d
            lifecycle --retention 1d --prefix a/ | --prefix is 'a/'; it must be parts of letters, digits
            send no-such-file                    | there is no file no-such-file
            send src                             | src is a folder; it must be a file of JSON lines
            stack --kafka-port 70000             | --kafka-port is 70000; it must be 1 to 65535, or 0 for any that is free
            page --port -1                       | --port is -1; it must be 1 to 65535, or 0 for any that is free
            demo --page --page-port 70000        | --page-port is 70000; it must be 1 to 65535, or 0 for any that is free
            NONSENSE --help                      | Unmatched argument at index 0: 'NONSENSE'
            bench nonsense --help                | Unmatched argument at index 1: 'nonsense'
            """)
    void wrongArgumentsAreToldAndExitWith2(String arguments, String sentence) {
        CommandLineRun run = CommandLineRun.of(arguments.split(" "));

        assertThat(run.err()).contains(sentence).contains("--help");
        assertThat(run.out()).isEmpty();
        assertThat(run.exitCode()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"demo", "generate", "stack", "page", "send", "cancel", "redrive", "lifecycle", "worker", "bench",
        "gpu", "completion"})
    void everyCommandExplainsItselfWithAnExample(String command) {
        CommandLineRun run = CommandLineRun.of(command, "--help");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).startsWith("Usage: darkroom " + command).contains("Example");
    }

    @ParameterizedTest
    @ValueSource(strings = {"setup", "doctor"})
    void soDoTheCommandsOfAGpu(String command) {
        CommandLineRun run = CommandLineRun.of("gpu", command, "--help");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).startsWith("Usage: darkroom gpu " + command).contains("Example");
    }

    @ParameterizedTest
    @ValueSource(strings = {"demo", "generate"})
    void whatNoRequestMayAskForIsRefusedBeforeAnythingStarts(String command) {
        assertThat(CommandLineRun.of(command, "  ").err()).contains("prompt");
        CommandLineRun run = CommandLineRun.of(command, "x".repeat(2001));

        assertThat(run.err()).contains("prompt must be a text of 1 to 2000 characters, but is a text of 2001 characters.");
        assertThat(run.out()).isEmpty();
        assertThat(run.exitCode()).isEqualTo(2);
    }

    @Test
    void aFolderThatCannotBeMadeIsExplained(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");

        assertThat(CommandLineRun.of("generate", "a", "--out", file.toString()).err())
                .contains("The folder " + file + " cannot be made: " + file + " is a file.");
        assertThat(CommandLineRun.of("demo", "a", "--out", file + "/below").err())
                .contains("/below cannot be made: " + file + "/below: Not a directory.");
    }

    @Test
    void aFileThatCannotBeWrittenIsExplainedAndAFullDiskLeavesNoPartOfIt(@TempDir Path folder) throws IOException {
        Path there = Files.createDirectory(folder.resolve("there"));

        assertThatThrownBy(() -> Folders.write(there, new byte[1])).isInstanceOf(CommandException.class)
                .hasMessage("The file " + there + " cannot be written: Is a directory.");
        assertThat(there).isDirectory();
        Path full = Files.createSymbolicLink(folder.resolve("full"), Path.of("/dev/full"));
        assertThatThrownBy(() -> Folders.write(full, new byte[1])).isInstanceOf(CommandException.class)
                .hasMessage("The file " + full + " cannot be written: No space left on device.");
        assertThat(Files.isSymbolicLink(full)).isFalse();
    }

    @Test
    void aPortThatIsTakenIsNamed() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String port = String.valueOf(taken.getLocalPort());

            assertThat(CommandLineRun.of("stack", "--kafka-port", port).err())
                    .contains("Port " + port + " (--kafka-port) is taken");
            assertThat(CommandLineRun.of("stack", "--kafka-port", "0", "--store-port", port).err())
                    .contains("Port " + port + " (--store-port) is taken");
            assertThat(CommandLineRun.of("page", "--port", port).err())
                    .contains("Port " + port + " (--port) is taken, perhaps by another `darkroom page`");
            assertThat(CommandLineRun.of("demo", "--page", "--page-port", port).err())
                    .contains("Port " + port + " (--page-port) is taken");
        }
    }

    @Test
    void outputThatIsLostIsAFailure() throws IOException {
        PrintStream real = System.out;
        try (PrintStream full = new PrintStream(new FileOutputStream("/dev/full"))) {
            System.setOut(full);
            assertThat(Darkroom.run("--help")).isEqualTo(1);
        } finally {
            System.setOut(real);
        }
    }

    @Test
    void shellsCompleteEveryCommand() {
        assertThat(CommandLineRun.of("completion", "bash").out())
                .contains("complete -F _complete_darkroom -o default darkroom").contains("'--negative-prompt'")
                .isEqualTo(CommandLineRun.of("completion", "zsh").out()).isEqualTo(CommandLineRun.of("completion").out());
        CommandLineRun other = CommandLineRun.of("completion", "fish");
        assertThat(other.exitCode()).isEqualTo(2);
        assertThat(other.err()).contains("SHELL", "[bash, zsh]", "fish");
    }

    @Test
    void theRulesOfABucketAreWhatTheAwsCommandLineTakes() throws IOException {
        CommandLineRun run = CommandLineRun.of("lifecycle", "--retention", "30d", "--prefix", "team-a");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(new ObjectMapper().readTree(run.out())).isEqualTo(new ObjectMapper().readTree("""
                {"Rules": [
                  {"ID": "darkroom-images", "Status": "Enabled", "Filter": {"Prefix": "team-a/images/"},
                   "Expiration": {"Days": 30}},
                  {"ID": "darkroom-outcomes", "Status": "Enabled", "Filter": {"Prefix": "team-a/outcomes/"},
                   "Expiration": {"Days": 31}},
                  {"ID": "darkroom-attempts", "Status": "Enabled", "Filter": {"Prefix": "team-a/attempts/"},
                   "Expiration": {"Days": 8}}]}
                """));
        assertThat(CommandLineRun.of("lifecycle", "--retention", "1d").out()).contains("\"Prefix\" : \"images/\"");
    }

    @Test
    void theHelpListsEveryCommand() {
        assertThat(CommandLineRun.of("--help").out())
                .contains("  demo ", "  generate ", "  stack ", "  page ", "  send ", "  cancel ", "  redrive ", "  lifecycle ",
                        "  worker ", "  bench ", "  gpu ");
    }
}
