/**
 * Pixels into files: PNG, JPEG and WebP, with what an image was made from inside, and that a model made it.
 * Uses {@code contract} alone.
 */
package dev.darkroom.worker.image;
