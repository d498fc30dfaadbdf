package dev.darkroom.contract;

import dev.darkroom.digest.Sha256;
import java.math.BigInteger;
import java.util.regex.Pattern;

/**
 * Which request it is. Whatever is derived of a request follows from this: its seed, its place in the object store, and
 * whether its id was reused.
 *
 * @param requestId 1 to 64 of letters, digits, {@code .}, {@code _}, {@code -}
 * @param idDigest SHA-256 of the request id in UTF-8, lower-case hex
 * @param digest SHA-256 of the request as understood, lower-case hex; see {@link GenerationRequest#digest()}
 */
public record Identity(String requestId, String idDigest, String digest) {

    /** What the contract allows as a request id. Slashes are not among it, so no id can leave its folder. */
    public static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    static final String REQUEST_ID_ALLOWED = "1 to 64 of letters, digits, '.', '_' and '-'";
    private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");
    /** Hex digits of a derived seed: 52 bits, so that JSON readers whose only number is a double keep it exact. */
    private static final int SEED_DIGITS = 13;

    /** @throws IllegalArgumentException for an id that the contract does not allow, or what is no digest */
    public Identity {
        if (!REQUEST_ID.matcher(requestId).matches()) {
            throw new IllegalArgumentException("the request id is not " + REQUEST_ID_ALLOWED);
        }
        if (!DIGEST.matcher(idDigest).matches() || !DIGEST.matcher(digest).matches()) {
            throw new IllegalArgumentException("the digest is not 64 hexadecimal digits");
        }
    }

    /** The identity of a request whose digest is known. */
    public Identity(String requestId, String digest) {
        this(requestId, Sha256.hex(requestId), digest);
    }

    /** The seed of a request that gives none: the first 52 bits of a request id's SHA-256, big-endian. */
    static long seed(String idDigest) {
        return new BigInteger(idDigest.substring(0, SEED_DIGITS), 16).longValueExact();
    }
}
