package dev.darkroom.contract;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import java.util.Map;

/** How a request ended. Every request that can be decoded has exactly one outcome. */
@JsonPropertyOrder({"requestId", "outcome"})
public sealed interface Outcome permits Completed, Failed {

    /** How it ended, {@code completed} or {@code failed}: tells the two events apart where they have no headers. */
    @JsonProperty
    String outcome();

    /** Identity of the request. */
    String requestId();

    /** The request's own strings. */
    Map<String, String> metadata();
}
