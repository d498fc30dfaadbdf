/**
 * The Quarkus application, from a record of the request topic to its outcome.
 * Uses {@code contract} and {@code diffusion}, and {@code torch} in one place, where the generator is opened.
 */
package dev.darkroom.worker;
