package dev.darkroom.diffusion;

/** The device has too little memory for even one image. */
public class DeviceMemoryException extends GenerationException {

    public DeviceMemoryException(String message, Throwable cause) {
        super(message, cause);
    }
}
