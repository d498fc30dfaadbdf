package dev.darkroom.diffusion;

/** The device is lost, as after an illegal memory access: nothing on it can be trusted until the process starts anew. */
public class DeviceFaultException extends GenerationException {

    public DeviceFaultException(String message, Throwable cause) {
        super(message, cause);
    }
}
