/**
 * The second stage: puts jobs together into batches and generates them on the one thread that touches the device.
 * Uses {@code deliver} for what comes of it; the one place that opens a pipeline of {@code torch}.
 */
package dev.darkroom.worker.generate;
