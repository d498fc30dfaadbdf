/**
 * Pixels into files: PNG, JPEG and WebP, with what an image was made from inside.
 * Uses no other package of Darkroom.
 */
package dev.darkroom.worker.image;
