package dev.darkroom.torch;

/** What torch says when it fails. */
public final class TorchErrors {

    /** Stands before what a failed operator itself says, after a trace of the TorchScript that called it. */
    private static final String CAUSE = "RuntimeError: ";

    private TorchErrors() {
    }

    /** What the failure comes to, on one line, without the trace and the advice that surround it. */
    public static String sentence(Throwable failure) {
        String message = String.valueOf(failure.getMessage());
        int cause = message.lastIndexOf(CAUSE);
        return message.substring(cause < 0 ? 0 : cause + CAUSE.length()).strip().lines().findFirst().orElse("");
    }
}
