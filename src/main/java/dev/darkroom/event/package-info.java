/**
 * The contract: records of requests and outcomes, their CloudEvents form and their validation against the JSON Schemas
 * in {@code schemas/}. Knows no other part of Darkroom.
 */
package dev.darkroom.event;
