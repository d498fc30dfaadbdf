package dev.darkroom.contract;

import java.util.Map;

/** How a request ended. Every request that can be decoded has exactly one outcome. */
public sealed interface Outcome permits Completed, Failed {

    /** Identity of the request. */
    String requestId();

    /** The request's own strings. */
    Map<String, String> metadata();
}
