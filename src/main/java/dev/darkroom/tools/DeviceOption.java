package dev.darkroom.tools;

import dev.darkroom.torch.DeviceSelection;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a device: {@code cpu}, or the CUDA index of a GPU. -1 is the CPU too, as {@code DARKROOM_DEVICE_INDEX} has it. */
public final class DeviceOption implements ITypeConverter<DeviceSelection> {

    @Override
    public DeviceSelection convert(String value) {
        if (value.equals("cpu") || value.equals("-1")) {
            return DeviceSelection.cpu();
        }
        try {
            return DeviceSelection.cuda(Integer.parseUnsignedInt(value));
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + value + "' is no device; it is cpu, or a GPU's index from 0");
        }
    }

    /** The selection as this option reads it. */
    public static String text(DeviceSelection device) {
        return device.isCpu() ? "cpu" : String.valueOf(device.index());
    }
}
