/**
 * Diffusion in the field's own terms: parameters, profiles, schedulers, guidance, and what a generator of images is.
 * Uses no other package of Darkroom, and no tensor library.
 */
package dev.darkroom.diffusion;
