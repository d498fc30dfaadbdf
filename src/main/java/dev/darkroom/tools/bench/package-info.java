/**
 * The benchmarks: the whole worker, the profiles one by one, and a report of what was measured.
 * May use every package.
 */
package dev.darkroom.tools.bench;
