package dev.darkroom.tools.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Arrays;

/**
 * One configuration of the pipeline, measured: a profile at a batch size. What is null could not be measured.
 *
 * @param compiled whether compiled packages ran, and nothing else
 * @param batch images in a batch
 * @param images how many were measured
 * @param secondsPerImage from the prompt's text to pixels in host memory, over the batch size
 * @param peakAllocatedBytes most that live tensors took, over all batches
 * @param peakReservedBytes most that torch's allocator held; the graphs of all batch sizes of the profile are loaded
 * @param deviceUsedBytes in use on the whole device, other processes included
 * @param deviceBeyondContextBytes what the device has in use more than when the process had made its CUDA context and loaded
 *     nothing: weights, activations, and what drivers and libraries take without telling torch's allocator
 * @param textEncodingMilliseconds median of a batch, like the next two
 * @param arithmeticShare of the {@link ArithmeticCeiling}, 0 to 1
 * @param adapterSwitchMilliseconds what it takes to add the profile's adapters to the bundle's weights; null if it has none
 * @param adapterRemovalMilliseconds what it takes to put the bundle's own weights back
 * @param adapterDeviceBytes what the device has in use more than before adapters were read for the first time, in the first row
 *     of a process
 * @param coldStartSeconds from the start of the process until it was ready for the profile
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record GpuRow(
        String implementation,
        boolean compiled,
        String profile,
        int batch,
        int images,
        Spread secondsPerImage,
        double imagesPerSecond,
        Long peakAllocatedBytes,
        Long peakReservedBytes,
        Long deviceUsedBytes,
        Long deviceBeyondContextBytes,
        int steps,
        double textEncodingMilliseconds,
        double denoisingMilliseconds,
        double decodingMilliseconds,
        Spread guidedStepMilliseconds,
        Spread unguidedStepMilliseconds,
        Double arithmeticShare,
        Spread adapterSwitchMilliseconds,
        Spread adapterRemovalMilliseconds,
        Long adapterDeviceBytes,
        Double coldStartSeconds) {

    /** Median and extremes of some measurements. */
    record Spread(double median, double min, double max) {

        static Spread of(double... values) {
            double[] sorted = Arrays.stream(values).sorted().toArray();
            int half = sorted.length / 2;
            double median = sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
            return new Spread(median, sorted[0], sorted[sorted.length - 1]);
        }
    }

    GpuRow withColdStart(double seconds) {
        return new GpuRow(implementation, compiled, profile, batch, images, secondsPerImage, imagesPerSecond,
                peakAllocatedBytes, peakReservedBytes, deviceUsedBytes, deviceBeyondContextBytes, steps,
                textEncodingMilliseconds, denoisingMilliseconds, decodingMilliseconds, guidedStepMilliseconds,
                unguidedStepMilliseconds, arithmeticShare, adapterSwitchMilliseconds, adapterRemovalMilliseconds,
                adapterDeviceBytes, seconds);
    }
}
