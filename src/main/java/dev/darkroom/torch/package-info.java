/**
 * Stable Diffusion on PyTorch: the model bundle, the device, the compiled graphs and the pipeline that runs them.
 * The one place that touches DJL; uses {@code diffusion} and {@code digest}.
 */
package dev.darkroom.torch;
