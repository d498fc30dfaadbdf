/**
 * The first stage: takes records off the topic and decides whether they are to be generated or answered at once.
 * Uses the stages after it, through the backlog and the outcomes.
 */
package dev.darkroom.worker.intake;
