"""What diffusers and transformers say while they work."""

import diffusers
import transformers


def only_errors() -> None:
    """Leaves out their warnings and progress bars, which would come between the lines of a command's own progress."""
    for library in (diffusers.utils, transformers):
        library.logging.set_verbosity_error()
        library.logging.disable_progress_bar()
