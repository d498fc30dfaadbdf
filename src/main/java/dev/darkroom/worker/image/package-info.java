/**
 * Pixels into files: PNG, JPEG and WebP, with what an image was made from inside.
 * Uses the formats of {@code contract} alone.
 */
package dev.darkroom.worker.image;
