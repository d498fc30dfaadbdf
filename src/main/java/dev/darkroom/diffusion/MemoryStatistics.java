package dev.darkroom.diffusion;

/**
 * The device's memory during one batch, in bytes.
 *
 * @param peakAllocated most that live tensors took, as the caching allocator counts it
 * @param peakReserved most that the caching allocator held
 * @param deviceUsed in use on the whole device when the batch ended, other processes included
 * @param deviceTotal all that the device has
 */
public record MemoryStatistics(long peakAllocated, long peakReserved, long deviceUsed, long deviceTotal) {

    /** The memory during two batches, this one and the next. */
    public MemoryStatistics then(MemoryStatistics next) {
        return new MemoryStatistics(Math.max(peakAllocated, next.peakAllocated), Math.max(peakReserved, next.peakReserved),
                next.deviceUsed, next.deviceTotal);
    }
}
