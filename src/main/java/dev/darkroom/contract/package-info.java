/**
 * What is said between those who ask and the worker: requests, outcomes, their JSON, CloudEvents form and schema check.
 * Uses no other package of Darkroom.
 */
package dev.darkroom.contract;
