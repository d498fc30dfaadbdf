package dev.darkroom.contract;

import com.fasterxml.jackson.databind.JsonNode;
import dev.darkroom.contract.CancellationReader.Read;

/** Reads cancellations. Thread-safe. */
public final class CancellationReader extends EventReader<Read> {

    /** What a record on the topic of cancellations turned out to be. */
    public sealed interface Read {
    }

    public record Understood(Cancellation cancellation) implements Read {
    }

    /** @param message a sentence for a person: what was wrong and what is allowed */
    public record Undecodable(String message) implements Read {
    }

    public CancellationReader() {
        super(EventType.CANCELLED);
    }

    @Override
    Read understand(JsonNode json) throws UndecodableException {
        return new Understood(new Cancellation(requestId(json)));
    }

    @Override
    Read undecodable(String message) {
        return new Undecodable(message);
    }
}
