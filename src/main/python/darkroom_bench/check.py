"""`python -m darkroom_bench.check`: whether one image of the worker is the one that diffusers draws in float32.

Standard output gets a sentence with the figures; an image that is another one is a sentence on standard error and exit
status 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from darkroom_bundle.format import parse_size
from darkroom_bundle.verbosity import only_errors

from .parity import error
from .pipeline import float32_noise, generate, load_pipeline, load_tiny, set_scheduler
from .profiles import PROFILES

# Root mean square, in levels of 255. What float16 costs grows from step to step and depends on the weights, so diffusers'
# own float16 is the measure; where that is nearly exact, so many levels are allowed all the same.
TIMES_DIFFUSERS = 4
LEVELS = 2.0


def draw(checkpoint: Path, dtype: torch.dtype, device: str, options: argparse.Namespace) -> np.ndarray:
    """diffusers' image, uint8 [1, H, W, 3]."""
    profile = PROFILES[options.profile]
    pipeline = load_pipeline(checkpoint, dtype, device)
    set_scheduler(pipeline, profile)
    if profile.decoder == "tiny":
        pipeline.vae = load_tiny(checkpoint / "tiny_vae", dtype, device)
    width, height = options.size
    with float32_noise():
        return generate(pipeline, profile, [options.prompt], [options.seed], width=width, height=height).numpy()


def verdict(image: np.ndarray, reference: np.ndarray, peer: np.ndarray) -> tuple[bool, str]:
    """Whether an image is the reference, and how far it is from it: all uint8 [1, H, W, 3].

    :param peer: diffusers' image in the worker's precision
    """
    ours, theirs = error(image, reference), error(peer, reference)
    sentence = (
        f"{ours['meanAbsolute']:.2f} levels of 255 from diffusers' image in float32, on average "
        f"({format(ours['psnr'], '.1f') + ' dB' if 'psnr' in ours else 'equal'}); "
        f"diffusers' own in the bundle's precision: {theirs['meanAbsolute']:.2f}"
    )
    return ours["rootMeanSquare"] <= max(LEVELS, TIMES_DIFFUSERS * theirs["rootMeanSquare"]), sentence


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bench.check", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="what the bundle was compiled from, with tiny_vae")
    parser.add_argument("--image", type=Path, required=True, help="the worker's")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--profile", choices=tuple(PROFILES), required=True)
    parser.add_argument("--size", type=parse_size, required=True, metavar="WxH")
    parser.add_argument("--dtype", choices=("float16", "float32"), required=True, help="the bundle's")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    only_errors()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    image = np.asarray(Image.open(options.image).convert("RGB"))[None]
    reference = draw(options.checkpoint, torch.float32, options.device, options)
    peer = draw(options.checkpoint, getattr(torch, options.dtype), options.device, options)
    right, sentence = verdict(image, reference, peer)
    if not right:
        print(f"error: the compiled image is {sentence}", file=sys.stderr)
        return 1
    print(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
