/**
 * A page of what goes through the topics, served on this machine alone. It is a client like any other: it reads the topics in no
 * group, asks the broker for the worker's committed offsets, and gets from the store what events name. Uses {@code contract},
 * and the worker's settings, its Kafka binding and its store; the worker does not know of it.
 */
package dev.darkroom.page;
