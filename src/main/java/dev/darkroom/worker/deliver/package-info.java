/**
 * The third stage: encodes images and uploads them.
 * Uses {@code image}, {@code store} and {@code outcome}.
 */
package dev.darkroom.worker.deliver;
