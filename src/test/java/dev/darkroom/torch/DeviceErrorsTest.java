package dev.darkroom.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.EngineException;
import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.GenerationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The messages are torch's own. */
class DeviceErrorsTest {

    @ParameterizedTest
    @ValueSource(strings = {
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
                + "allocate 4398046511104 bytes. Error code 12 (Cannot allocate memory)"
    })
    void tooLittleMemory(String message) {
        assertThat(DeviceErrors.classify(new EngineException(message))).isInstanceOf(DeviceMemoryException.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered",
        "CUDA error: unspecified launch failure",
        "CUDA driver error: unknown error",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"
    })
    void deviceLost(String message) {
        assertThat(DeviceErrors.classify(new EngineException(message))).isInstanceOf(DeviceFaultException.class);
    }

    @Test
    void anythingElseFailsTheBatchAlone() {
        EngineException failure = new EngineException("Expected all tensors to be on the same device\nat …");

        assertThat(DeviceErrors.classify(failure))
                .isExactlyInstanceOf(GenerationException.class)
                .hasMessage("The engine failed: Expected all tensors to be on the same device")
                .hasCause(failure);
    }

    @Test
    void tellsWhatTheOperatorSaidAndNotWhoCalledIt() {
        EngineException failure = new EngineException("""
                The following operation failed in the TorchScript interpreter.
                Traceback of TorchScript, serialized code (most recent call last):
                  File "code/__torch__/darkroom_bundle/operators.py", line 12, in run
                    return ops.darkroom.run(graph, inputs, rows)
                           ~~~~~~~~~~~~~~~~ <--- HERE
                RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB
                """);

        assertThat(DeviceErrors.classify(failure))
                .isInstanceOf(DeviceMemoryException.class)
                .hasMessage("The device has too little memory: CUDA out of memory. Tried to allocate 20.00 MiB. "
                        + "GPU 0 has a total capacity of 79.10 GiB");
    }
}
