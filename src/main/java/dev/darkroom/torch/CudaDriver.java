package dev.darkroom.torch;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.ptr.IntByReference;
import java.nio.charset.StandardCharsets;

/** What the CUDA driver tells of its GPUs before an engine is loaded. It numbers them as the engine does. */
final class CudaDriver {

    // By its full name: libcuda.so is there only with the driver's development files
    private static final String LIBRARY = "libcuda.so.1";
    private static final int NAME_BYTES = 256;

    private CudaDriver() {
    }

    /**
     * The name of a GPU, as {@code NVIDIA A100-SXM4-80GB}.
     *
     * @throws DeviceException if there is no such GPU
     */
    static String nameOf(int index) {
        Driver driver;
        try {
            driver = Native.load(LIBRARY, Driver.class);
        } catch (UnsatisfiedLinkError e) {
            throw new DeviceException("The device cuda:" + index + " is selected, but this machine has no CUDA "
                    + "driver.", e);
        }
        succeed("cuInit", driver.cuInit(0));
        IntByReference count = new IntByReference();
        succeed("cuDeviceGetCount", driver.cuDeviceGetCount(count));
        if (index >= count.getValue()) {
            throw new DeviceException("The device cuda:" + index + " is selected, but this machine has "
                    + count.getValue() + " GPUs, counted from 0.");
        }
        IntByReference device = new IntByReference();
        succeed("cuDeviceGet", driver.cuDeviceGet(device, index));
        byte[] name = new byte[NAME_BYTES];
        succeed("cuDeviceGetName", driver.cuDeviceGetName(name, NAME_BYTES, device.getValue()));
        return Native.toString(name, StandardCharsets.UTF_8);
    }

    private static void succeed(String call, int result) {
        if (result != 0) {
            throw new DeviceException("The CUDA driver answers " + call + " with error " + result + ".");
        }
    }

    /** The few calls of {@code cuda.h} that are needed; each returns a {@code CUresult}, 0 for success. */
    interface Driver extends Library {
        int cuInit(int flags);

        int cuDeviceGetCount(IntByReference count);

        int cuDeviceGet(IntByReference device, int ordinal);

        int cuDeviceGetName(byte[] name, int length, int device);
    }
}
