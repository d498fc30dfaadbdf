/**
 * The object store: what the worker needs of it, and how it is reached through the MinIO client.
 * Uses the formats of {@code worker.image}, for the names of objects.
 */
package dev.darkroom.worker.store;
