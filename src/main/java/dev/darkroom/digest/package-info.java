/**
 * SHA-256, by which requests, images, bundles and builds are told apart.
 * Uses no other package of Darkroom; every other may use it.
 */
package dev.darkroom.digest;
