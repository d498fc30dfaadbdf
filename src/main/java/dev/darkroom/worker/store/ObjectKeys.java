package dev.darkroom.worker.store;

import dev.darkroom.contract.Identity;
import dev.darkroom.contract.ImageFormat;

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

    /** What the keys of images, outcomes and attempts begin with. */
    public static final String IMAGES = "images/";
    public static final String OUTCOMES = "outcomes/";
    public static final String ATTEMPTS = "attempts/";

    private ObjectKeys() {
    }

    /**
     * The key of an image.
     *
     * @param index the image's place in its request, counted from 0
     * @throws IllegalArgumentException for a negative index
     */
    public static String image(Identity request, int index, ImageFormat format) {
        if (index < 0) {
            throw new IllegalArgumentException("index is " + index + "; images are counted from 0");
        }
        return IMAGES + prefix(request) + "-" + request.digest() + "-" + index + "." + format.extension();
    }

    /**
     * The key of what notes that a process ended while it generated the request.
     *
     * @param number the attempt's number, counted from 1
     */
    public static String attempt(Identity request, int number) {
        return ATTEMPTS + prefix(request) + "-" + request.digest() + "-" + number;
    }

    /** The key of a request's outcome: the whole event as JSON. It follows from the request id alone. */
    public static String outcome(Identity request) {
        return OUTCOMES + prefix(request) + ".json";
    }

    private static String prefix(Identity request) {
        return request.idDigest().substring(0, 2) + "/" + request.requestId();
    }
}
