package dev.darkroom.worker.store;

import dev.darkroom.worker.image.ImageFormat;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/**
 * Where the objects of a request lie. A key is a function of the request alone, so a request that comes again finds what
 * was made the first time:
 *
 * <pre>
 * images/&lt;hh&gt;/&lt;requestId&gt;-&lt;index&gt;.&lt;extension&gt;
 * outcomes/&lt;hh&gt;/&lt;requestId&gt;.json
 * </pre>
 *
 * {@code hh} are the first two hex digits of the SHA-256 of the request id in UTF-8. They spread the keys over 256
 * prefixes, because stores partition and limit by prefix.
 */
public final class ObjectKeys {

    /** What the contract allows as a request id. Slashes are not among it, so no id can leave its prefix. */
    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,64}");

    private ObjectKeys() {
    }

    /**
     * The key of an image.
     *
     * @param index the image's place in its request, counted from 0
     * @throws IllegalArgumentException for an id that the contract does not allow, or a negative index
     */
    public static String image(String requestId, int index, ImageFormat format) {
        if (index < 0) {
            throw new IllegalArgumentException("index is " + index + "; images are counted from 0");
        }
        return "images/" + prefix(requestId) + "/" + requestId + "-" + index + "." + format.extension();
    }

    /**
     * The key of a request's outcome: the completed event as JSON.
     *
     * @throws IllegalArgumentException for an id that the contract does not allow
     */
    public static String outcome(String requestId) {
        return "outcomes/" + prefix(requestId) + "/" + requestId + ".json";
    }

    private static String prefix(String requestId) {
        if (!REQUEST_ID.matcher(requestId).matches()) {
            throw new IllegalArgumentException(
                    "the request id is not 1 to 64 of letters, digits, '.', '_' and '-'");
        }
        return Sha256.hex(requestId.getBytes(StandardCharsets.UTF_8)).substring(0, 2);
    }
}
