/**
 * The object store: what the worker needs of it, how it is reached through the MinIO client, and what things are called
 * there. Uses the formats of {@code contract} and the worker's retries.
 */
package dev.darkroom.worker.store;
