package dev.darkroom.torch;

import dev.darkroom.diffusion.DeviceFaultException;
import dev.darkroom.diffusion.DeviceMemoryException;
import dev.darkroom.diffusion.GenerationException;
import java.util.List;

/**
 * Tells what a failure of the engine means for the process. torch reports every failure as one C++ exception type,
 * which DJL passes on as an {@code EngineException}; only the message tells them apart.
 */
final class DeviceErrors {

    /** Too little memory; nothing is broken. Looked for first: some of these messages name CUDA errors as well. */
    private static final List<String> MEMORY = List.of(
            "out of memory",
            "can't allocate memory",
            "CUDNN_STATUS_ALLOC_FAILED",
            "CUBLAS_STATUS_ALLOC_FAILED");

    /** Errors that stay with the CUDA context until the process ends. */
    private static final List<String> FAULT = List.of(
            "CUDA error",
            "CUDA driver error",
            "CUDNN_STATUS_",
            "CUBLAS_STATUS_",
            "device-side assert");

    private DeviceErrors() {
    }

    /** The exception that tells the caller of a generator what to do. */
    static GenerationException classify(RuntimeException failure) {
        if (failure instanceof GenerationException known) {
            return known;
        }
        String message = String.valueOf(failure.getMessage());
        String sentence = TorchErrors.sentence(failure);
        if (MEMORY.stream().anyMatch(message::contains)) {
            return new DeviceMemoryException("The device has too little memory: " + sentence, failure);
        }
        if (FAULT.stream().anyMatch(message::contains)) {
            return new DeviceFaultException("The device is lost: " + sentence, failure);
        }
        return new GenerationException("The engine failed: " + sentence, failure);
    }
}
