/**
 * The last stage: writes an outcome down once, publishes it, and ends the claim; or sends the record to the dead-letter topic.
 * Uses {@code store} and {@code claim}.
 */
package dev.darkroom.worker.outcome;
