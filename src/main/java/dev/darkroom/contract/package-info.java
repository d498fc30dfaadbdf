/**
 * What is said between those who ask and the worker: requests, outcomes, their JSON, CloudEvents form and schema check.
 * Uses {@code digest} alone, and knows nothing of Kafka.
 */
package dev.darkroom.contract;
