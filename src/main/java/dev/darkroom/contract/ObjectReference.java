package dev.darkroom.contract;

/**
 * An object of the store that a request refers to.
 *
 * @param bucket its bucket
 * @param key its key
 * @param sha256 SHA-256 of its content, lower-case hex, so that a request stands for the same images whenever it comes
 */
public record ObjectReference(String bucket, String key, String sha256) {

    private static final String SCHEME = "s3://";

    /** The object at an address {@code s3://bucket/key}, in which nothing is escaped. */
    static ObjectReference at(String uri, String sha256) {
        int slash = uri.indexOf('/', SCHEME.length());
        return new ObjectReference(uri.substring(SCHEME.length(), slash), uri.substring(slash + 1), sha256);
    }
}
