package dev.darkroom.contract;

/**
 * The picture that a request's images start from, in a request and in what an event says of its images.
 *
 * @param bucket its bucket
 * @param key its key
 * @param sha256 SHA-256 of the file, lower-case hex
 * @param strength how much of it is given up, from 0.01 to 1
 * @param fit how a picture of another shape is brought to the images' size: {@code crop} or {@code contain}
 */
public record InputImage(String bucket, String key, String sha256, double strength, String fit) {

    /** The strength of a request that names none, and of one with a mask: diffusers' own. */
    public static final double DEFAULT_STRENGTH = 0.8;
    public static final double DEFAULT_STRENGTH_WITH_MASK = 1;

    /** The fit of a request that names none. */
    public static final String DEFAULT_FIT = "crop";

    /** The file. */
    public ObjectReference object() {
        return new ObjectReference(bucket, key, sha256);
    }
}
