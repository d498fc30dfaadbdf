package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class ComputeDeviceTest {

    @Test
    void theCpuIsAlwaysThere() {
        ComputeDevice device = ComputeDevice.open(DeviceSelection.cpu());

        assertThat(device.description()).isEqualTo("cpu");
        assertThat(device.engineName()).isEqualTo("PyTorch 2.7.1");
        assertThat(device.memory()).isEmpty();
    }

    @Test
    void refusesTheCpuWhereAGpuIsRequired() {
        assertThatThrownBy(() -> ComputeDevice.open(new DeviceSelection(DeviceSelection.CPU, Optional.of("A100"))))
                .isInstanceOf(DeviceException.class)
                .hasMessage("A GPU whose name contains \"A100\" is required, but the CPU is selected.");
    }

    @Test
    void refusesAGpuThatIsNotThere() {
        assertThatThrownBy(() -> ComputeDevice.open(DeviceSelection.cuda(99)))
                .isInstanceOf(DeviceException.class)
                .hasMessageStartingWith("The device cuda:99 is selected, but this machine has ");
    }

    @Test
    void refusesAnIndexThatIsNone() {
        assertThatThrownBy(() -> DeviceSelection.cuda(-2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("The device's index is -2; it must be -1 (the CPU) or a CUDA index from 0.");
    }
}
