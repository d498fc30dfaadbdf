package dev.darkroom.worker.store;

import dev.darkroom.contract.ImageFormat;
import dev.darkroom.digest.Sha256;
import java.util.regex.Pattern;

/**
 * Where the objects of a request lie. A key is a function of the request alone, so a request that comes again finds what
 * was made the first time:
 *
 * <pre>
 * images/&lt;hh&gt;/&lt;requestId&gt;-&lt;digest&gt;-&lt;index&gt;.&lt;extension&gt;
 * outcomes/&lt;hh&gt;/&lt;requestId&gt;.json
 * attempts/&lt;hh&gt;/&lt;requestId&gt;-&lt;digest&gt;-&lt;number&gt;
 * </pre>
 *
 * {@code digest} is the request's, so that two requests with one id never meet in an image. {@code hh} are the first two
 * hex digits of the SHA-256 of the request id in UTF-8. They spread the keys over 256 prefixes, because stores partition
 * and limit by prefix.
 */
public final class ObjectKeys {

    /** What the contract allows as a request id. Slashes are not among it, so no id can leave its prefix. */
    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");

    private ObjectKeys() {
    }

    /**
     * The key of an image.
     *
     * @param digest the request's digest, hex
     * @param index the image's place in its request, counted from 0
     * @throws IllegalArgumentException for an id that the contract does not allow, or a negative index
     */
    public static String image(String requestId, String digest, int index, ImageFormat format) {
        if (index < 0) {
            throw new IllegalArgumentException("index is " + index + "; images are counted from 0");
        }
        return "images/" + prefix(requestId) + "/" + requestId + "-" + digest(digest) + "-" + index + "."
                + format.extension();
    }

    /**
     * The key of what notes that a process ended while it generated the request.
     *
     * @param digest the request's digest, hex
     * @param number the attempt's number, counted from 1
     * @throws IllegalArgumentException for an id that the contract does not allow
     */
    public static String attempt(String requestId, String digest, int number) {
        return "attempts/" + prefix(requestId) + "/" + requestId + "-" + digest(digest) + "-" + number;
    }

    /**
     * The key of a request's outcome: the whole event as JSON.
     *
     * @throws IllegalArgumentException for an id that the contract does not allow
     */
    public static String outcome(String requestId) {
        return "outcomes/" + prefix(requestId) + "/" + requestId + ".json";
    }

    private static String digest(String digest) {
        if (!DIGEST.matcher(digest).matches()) {
            throw new IllegalArgumentException("the digest is not 64 hexadecimal digits");
        }
        return digest;
    }

    private static String prefix(String requestId) {
        if (!REQUEST_ID.matcher(requestId).matches()) {
            throw new IllegalArgumentException(
                    "the request id is not 1 to 64 of letters, digits, '.', '_' and '-'");
        }
        return Sha256.hex(requestId).substring(0, 2);
    }
}
