/**
 * Who owns a record from the poll to the commit: one claim each, how many there may be, whose turn it is, what is committed.
 * Uses {@code contract} and {@code diffusion}, and no other stage.
 */
package dev.darkroom.worker.claim;
