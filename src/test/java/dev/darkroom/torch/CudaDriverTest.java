package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.ptr.IntByReference;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** What is asked of the driver, which answers here as one does on a machine with two GPUs. */
class CudaDriverTest {

    @Test
    void aGpuIsToldWithItsComputeCapabilityAndWhatDrivesIt() {
        CudaDriver.Gpu gpu = CudaDriver.gpu(new TwoGpus(0), 1);

        assertThat(gpu).isEqualTo(new CudaDriver.Gpu("NVIDIA GPU 1", 8, 6, 12_080));
        assertThat(gpu.computeCapability()).isEqualTo("8.6");
        assertThat(gpu.cudaVersion()).isEqualTo("12.8");
    }

    @Test
    void aGpuBeyondTheLastIsRefused() {
        assertThatThrownBy(() -> CudaDriver.gpu(new TwoGpus(0), 2))
                .isInstanceOf(DeviceException.class)
                .hasMessage("The device cuda:2 is selected, but this machine has 2 GPUs, counted from 0.");
    }

    @Test
    void aDriverThatDoesNotStartIsToldWithItsError() {
        assertThatThrownBy(() -> CudaDriver.gpu(new TwoGpus(803), 0))
                .isInstanceOf(DeviceException.class)
                .hasMessage("The CUDA driver answers cuInit with error 803.");
    }

    /** @param init what {@code cuInit} returns */
    private record TwoGpus(int init) implements CudaDriver.Driver {

        @Override
        public int cuInit(int flags) {
            return init;
        }

        @Override
        public int cuDeviceGetCount(IntByReference count) {
            count.setValue(2);
            return 0;
        }

        @Override
        public int cuDeviceGet(IntByReference device, int ordinal) {
            device.setValue(ordinal);
            return 0;
        }

        @Override
        public int cuDeviceGetName(byte[] name, int length, int device) {
            byte[] text = ("NVIDIA GPU " + device + "\0").getBytes(StandardCharsets.UTF_8);
            System.arraycopy(text, 0, name, 0, text.length);
            return 0;
        }

        @Override
        public int cuDeviceGetAttribute(IntByReference value, int attribute, int device) {
            value.setValue(attribute == 75 ? 8 : 6);
            return 0;
        }

        @Override
        public int cuDriverGetVersion(IntByReference version) {
            version.setValue(12_080);
            return 0;
        }
    }
}
