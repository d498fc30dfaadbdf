/**
 * The commands of the command line, and what they share.
 * May use every package but the benchmarks'.
 */
package dev.darkroom.tools;
