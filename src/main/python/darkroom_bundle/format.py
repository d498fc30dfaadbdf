"""What `docs/bundle.md` fixes for every bundle."""

import argparse
import re

FORMAT = 1
TEXT_LENGTH = 77
# as how many texts of that length a prompt may be read
MOST_TEXTS = 8
LATENT_CHANNELS = 4
# as the schema of requests has it
ADAPTER_NAME = r"[A-Za-z0-9._-]{1,64}"
# of the two VAEs, which a bundle may go without
ENCODERS = ("full", "tiny")
# of a LoRA, in either direction
LARGEST_SCALE = 4
# pixels of a latent, along either side
LATENT_SCALE = 8


def parse_text_lengths(text: str) -> list[int]:
    """Tokens of prompts, ascending and 77 among them, of an option such as `77,154`."""
    lengths = [int(part) if re.fullmatch(r"[1-9]\d{0,3}", part) else 0 for part in text.split(",")]
    if not all(length and length % TEXT_LENGTH == 0 and length <= MOST_TEXTS * TEXT_LENGTH for length in lengths):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not multiples of {TEXT_LENGTH} up to {MOST_TEXTS * TEXT_LENGTH}, separated by commas"
        )
    return sorted({TEXT_LENGTH, *lengths})


def parse_size(text: str) -> tuple[int, int]:
    """Width and height, as pixels, of an option such as `768x512`."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match or any(int(side) % LATENT_SCALE for side in match.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT in multiples of {LATENT_SCALE} pixels")
    return int(match[1]), int(match[2])
