package dev.darkroom.tools.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.darkroom.tools.CommandException;
import dev.darkroom.torch.CudaDriver;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What each thing that is missing reads like; the programs that are asked are scripts. */
class MachineTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "7 | 5 | 12000",
        "9 | 0 | 13000",
    })
    void gpusThatFit(int major, int minor, int cuda) {
        assertThatCode(() -> Machine.require(new CudaDriver.Gpu("NVIDIA X", major, minor, cuda), false))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "8 | 0 | 11080 | The driver of NVIDIA X runs CUDA up to 11.8; torch 2.7.1 needs 12.0. Install driver 525.60 or later.",
        "6 | 1 | 12080 | NVIDIA X has compute capability 6.1; graphs are compiled for 7.0 and later.",
        "12 | 0 | 12080 | NVIDIA X has compute capability 12.0, for which PyPI's torch 2.7.1 has no code. Name a Python with "
                + "--python whose torch 2.7.1 was built for it, as PyTorch's own cu128 wheels are.",
    })
    void gpusThatDoNot(int major, int minor, int cuda, String sentence) {
        assertThatThrownBy(() -> Machine.require(new CudaDriver.Gpu("NVIDIA X", major, minor, cuda), false))
                .isInstanceOf(CommandException.class).hasMessage(sentence);
    }

    @Test
    void aTorchOfTheUsersMayHaveCodeForANewerGpu() {
        assertThatCode(() -> Machine.require(new CudaDriver.Gpu("NVIDIA X", 12, 0, 12_080), true)).doesNotThrowAnyException();
    }

    @Test
    void aMissingGpuIsToldWithWhatToInstall() {
        assertThatThrownBy(() -> Machine.gpu(99, false))
                .isInstanceOf(CommandException.class)
                .hasMessageStartingWith("The device cuda:99 is selected, but this machine has ")
                .hasMessageEndingWith("Install NVIDIA's driver, 525.60 or later, and see that `nvidia-smi` lists the GPU.");
    }

    @Test
    void aMissingCompilerIsToldWithHowToInstallIt() {
        Path compiler = folder.resolve("g++");

        assertThatThrownBy(() -> new Machine(List.of(), compiler).askCompiler())
                .isInstanceOf(CommandException.class)
                .hasMessage("There is no " + compiler + ". Install GCC: `apt install g++`, or `dnf install gcc-c++`.");
    }

    @Test
    void aCompilerTellsItsName() throws IOException {
        Path compiler = Scripts.write(folder.resolve("g++"), "echo 'g++ (Any) 13.2.0'; echo more");

        assertThat(new Machine(List.of(), compiler).askCompiler()).isEqualTo("g++ (Any) 13.2.0");
    }

    @Test
    void theFirstPythonThatFitsIsTaken() throws IOException {
        Scripts.write(folder.resolve("python3"), "echo 'python=3.9.2 ensurepip=True headers='");
        Scripts.write(folder.resolve("python3.12"), "echo 'python=3.12.4 ensurepip=True headers='");
        Scripts.write(folder.resolve("python3.11"), "echo 'python=3.11.9 ensurepip=True headers='");

        Machine.Python python = machine().python();

        assertThat(python.executable()).isEqualTo(folder.resolve("python3.12"));
        assertThat(python.version()).isEqualTo("3.12.4");
    }

    @Test
    void pythonsThatAreTooOldOrTooNewAreNamed() throws IOException {
        Scripts.write(folder.resolve("python3"), "echo 'python=3.14.0 ensurepip=True headers='");
        Scripts.write(folder.resolve("python3.11"), "echo 'what is this' >&2; exit 1");

        assertThatThrownBy(() -> machine().python())
                .hasMessage("Python 3.11, 3.12 or 3.13 is needed, with its venv and headers: python3 is 3.14.0. Install one, as "
                        + "with `apt install python3 python3-venv python3-dev`, or name a Python that has torch with --python.");
    }

    @Test
    void noPythonIsTold() {
        assertThatThrownBy(() -> machine().python())
                .hasMessageContaining("with its venv and headers; there is none on the PATH.");
    }

    @Test
    void aPythonWithoutVenvAsDebianHasItIsTold() throws IOException {
        Path python = Scripts.write(folder.resolve("python3"), "echo 'python=3.11.2 ensurepip=False headers='");

        assertThatThrownBy(() -> machine().python())
                .hasMessage(python + " (3.11.2) cannot make virtual environments: `apt install python3-venv`.");
    }

    @Test
    void aPythonWithoutHeadersIsTold() throws IOException {
        Scripts.write(folder.resolve("python3"), "echo 'python=3.11.2 ensurepip=True headers=/usr/include/python3.11/Python.h'");

        assertThatThrownBy(() -> machine().python())
                .hasMessage("/usr/include/python3.11/Python.h is missing, which Triton needs: `apt install python3-dev`, or "
                        + "`dnf install python3-devel`.");
    }

    @Test
    void tooLittleRoomIsToldWithHowMuchIsNeededAndWhere() {
        assertThatThrownBy(() -> Machine.requireRoom(folder, 1_000_000_000, "A bundle"))
                .hasMessageMatching("A bundle takes 1000000000 GB, and there are \\d+ GB free in \\Q" + folder
                        + "\\E\\. Make room there\\.");
    }

    private Machine machine() {
        return new Machine(List.of(folder.resolve("nowhere"), folder), folder.resolve("g++"));
    }
}
