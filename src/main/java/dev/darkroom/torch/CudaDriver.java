package dev.darkroom.torch;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.ptr.IntByReference;
import java.nio.charset.StandardCharsets;

/** What the CUDA driver tells of its GPUs before an engine is loaded. It numbers them as the engine does. */
public final class CudaDriver {

    // By its full name: libcuda.so is there only with the driver's development files
    private static final String LIBRARY = "libcuda.so.1";
    private static final int NAME_BYTES = 256;
    // CUdevice_attribute
    private static final int COMPUTE_CAPABILITY_MAJOR = 75;
    private static final int COMPUTE_CAPABILITY_MINOR = 76;

    private CudaDriver() {
    }

    /**
     * A GPU and what drives it.
     *
     * @param name as {@code NVIDIA A100-SXM4-80GB}
     * @param major of its compute capability, the 8 of 8.6
     * @param cuda newest version of CUDA that the driver runs, 12080 for 12.8
     */
    public record Gpu(String name, int major, int minor, int cuda) {

        /** As {@code 8.6}. */
        public String computeCapability() {
            return major + "." + minor;
        }

        /** As {@code 12.8}. */
        public String cudaVersion() {
            return cuda / 1000 + "." + cuda % 1000 / 10;
        }
    }

    /**
     * A GPU by its index.
     *
     * @throws DeviceException if there is no such GPU
     */
    public static Gpu gpu(int index) {
        try {
            return gpu(Native.load(LIBRARY, Driver.class), index);
        } catch (UnsatisfiedLinkError e) {
            throw new DeviceException("The device cuda:" + index + " is selected, but this machine has no CUDA "
                    + "driver.", e);
        }
    }

    static Gpu gpu(Driver driver, int index) {
        succeed("cuInit", driver.cuInit(0));
        IntByReference value = new IntByReference();
        succeed("cuDeviceGetCount", driver.cuDeviceGetCount(value));
        if (index >= value.getValue()) {
            throw new DeviceException("The device cuda:" + index + " is selected, but this machine has "
                    + value.getValue() + " GPUs, counted from 0.");
        }
        succeed("cuDeviceGet", driver.cuDeviceGet(value, index));
        int device = value.getValue();
        byte[] name = new byte[NAME_BYTES];
        succeed("cuDeviceGetName", driver.cuDeviceGetName(name, NAME_BYTES, device));
        succeed("cuDriverGetVersion", driver.cuDriverGetVersion(value));
        return new Gpu(Native.toString(name, StandardCharsets.UTF_8),
                attribute(driver, COMPUTE_CAPABILITY_MAJOR, device), attribute(driver, COMPUTE_CAPABILITY_MINOR, device),
                value.getValue());
    }

    private static int attribute(Driver driver, int attribute, int device) {
        IntByReference value = new IntByReference();
        succeed("cuDeviceGetAttribute", driver.cuDeviceGetAttribute(value, attribute, device));
        return value.getValue();
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

        int cuDeviceGetAttribute(IntByReference value, int attribute, int device);

        int cuDriverGetVersion(IntByReference version);
    }
}
