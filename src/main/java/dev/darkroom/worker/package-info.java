/**
 * The Quarkus application, from a record of the request topic to its outcome; here what all its stages share: settings,
 * retries, metrics, traces, and how events go on Kafka. The stages are the packages below, which use {@code contract} and
 * {@code diffusion}, and {@code torch} in one place; what is here uses the first two.
 */
package dev.darkroom.worker;
