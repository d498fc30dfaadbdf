"""What `docs/bundle.md` fixes for every bundle."""

import argparse
import re

FORMAT = 1
TEXT_LENGTH = 77
LATENT_CHANNELS = 4
# as the schema of requests has it
ADAPTER_NAME = r"[A-Za-z0-9._-]{1,64}"
# of the two VAEs, which a bundle may go without
ENCODERS = ("full", "tiny")
# of a LoRA, in either direction
LARGEST_SCALE = 4
# pixels of a latent, along either side
LATENT_SCALE = 8


def parse_size(text: str) -> tuple[int, int]:
    """Width and height, as pixels, of an option such as `768x512`."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match or any(int(side) % LATENT_SCALE for side in match.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT in multiples of {LATENT_SCALE} pixels")
    return int(match[1]), int(match[2])
