/**
 * The campaign of faults: real workers, a real broker and a real store, each a process, everything done to them that a
 * bad day does, and a check of what came of it from outside. Part of a checkout, not of what is deployed.
 */
package dev.darkroom.faults;
