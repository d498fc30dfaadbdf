/**
 * The Quarkus application, from a record of the request topic to its outcome; here what all its stages share: settings,
 * retries, metrics, traces. The stages are the packages below, which use {@code contract} and {@code diffusion}, and
 * {@code torch} in one place; what is here uses the names of {@code diffusion} alone.
 */
package dev.darkroom.worker;
