/**
 * What operators see of the worker: its start, its health and its end.
 * Uses every stage; no stage uses it.
 */
package dev.darkroom.worker.ops;
