/**
 * A real Kafka broker and a real S3 server in a process of their own, for commands and tests.
 * Uses no other package of Darkroom; its libraries are a checkout's, not part of what is deployed.
 */
package dev.darkroom.stack;
