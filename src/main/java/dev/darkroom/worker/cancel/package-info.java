/**
 * Which requests are not wanted any more. The stages ask before each step that costs something; uses none of them.
 */
package dev.darkroom.worker.cancel;
