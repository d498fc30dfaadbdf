"""`python -m darkroom_bench.parity`: how far the worker's images and diffusers' own are from diffusers in float32.

Both start from the same weights, prompts and noise; the noise is drawn in float32 on the CPU, seed by seed. The worker's
images are the PNG files that `./darkroom generate --prompts FILE --seed N --profile P --out DIR/P` wrote from a bundle
of the checkpoint. The reference is computed in float32 throughout, without TF32.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from darkroom_bundle.verbosity import only_errors

from .pipeline import float32_noise, generate, load_pipeline, load_tiny, set_scheduler
from .profiles import PROFILES, PROMPTS, read_prompts

DEFAULT_PROFILES = ("baseline", "dpm-20-cutoff", "final")
_PEAK = 255.0


def error(images: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """Errors in levels, 0 to 255, over all and image by image: both uint8 [N, H, W, 3].

    `psnr` in dB is absent where the images are equal.
    """
    if images.shape != reference.shape:
        raise ValueError(f"images of {images.shape} cannot be compared with {reference.shape}")
    each = [_error(one, other) for one, other in zip(images, reference, strict=True)]
    return _error(images, reference) | {"images": each}


def _error(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    difference = np.abs(one.astype(np.float64) - other)
    square = float(np.square(difference).mean())
    figures = {"meanAbsolute": float(difference.mean()), "rootMeanSquare": square**0.5, "largest": float(difference.max())}
    if square:
        figures["psnr"] = float(10 * np.log10(_PEAK**2 / square))
    return figures


def read_images(directory: Path, count: int) -> np.ndarray:
    """`000.png`, `001.png`, … as uint8 [N, H, W, 3]."""
    return np.stack([np.asarray(Image.open(directory / f"{i:03}.png").convert("RGB")) for i in range(count)])


def draw(
    checkpoint: Path, dtype: torch.dtype, device: str, names: Sequence[str], prompts: Sequence[str], seed: int, batch: int
) -> dict[str, np.ndarray]:
    """diffusers' images of each profile, uint8 [N, H, W, 3]; prompt i takes seed + i."""
    pipeline = load_pipeline(checkpoint, dtype, device)
    decoders = {"full": pipeline.vae, "tiny": load_tiny(checkpoint / "tiny_vae", dtype, device)}
    images = {}
    for name in names:
        profile = PROFILES[name]
        set_scheduler(pipeline, profile)
        pipeline.vae = decoders[profile.decoder]
        began = time.perf_counter()
        with float32_noise():
            images[name] = np.concatenate(
                [
                    generate(pipeline, profile, prompts[i : i + batch], range(seed + i, seed + len(prompts))[:batch])
                    for i in range(0, len(prompts), batch)
                ]
            )
        took = time.perf_counter() - began
        print(f"{name}: {len(prompts)} images by diffusers in {dtype}, {took:.1f} s", file=sys.stderr, flush=True)
    return images


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bench.parity", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="what the worker's bundle was compiled from")
    parser.add_argument("--images", type=Path, required=True, help="a folder of the worker's images for each profile")
    parser.add_argument("--profiles", type=lambda text: text.split(","), default=list(DEFAULT_PROFILES))
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="a prompt a line; default the package's own")
    parser.add_argument("--count", type=int, help="only so many of the prompts")
    parser.add_argument("--seed", type=int, default=0, help="of the first prompt, as given to generate; default 0")
    parser.add_argument("--batch-size", type=int, default=4, help="of diffusers; default 4")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16", help="of the peer")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, required=True, help="the errors as JSON")
    arguments = parser.parse_args()
    for name in arguments.profiles:
        if name not in PROFILES:
            parser.error(f"{name!r} is no profile; the profiles are {', '.join(PROFILES)}")
    prompts = read_prompts(arguments.prompts)[: arguments.count]
    try:
        ours = {name: read_images(arguments.images / name, len(prompts)) for name in arguments.profiles}
    except OSError as problem:
        parser.error(f"the worker's images cannot be read: {problem}")
    torch.set_grad_enabled(False)
    only_errors()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def of_diffusers(dtype: str) -> dict[str, np.ndarray]:
        checkpoint, device = arguments.checkpoint, arguments.device
        size = arguments.batch_size
        return draw(checkpoint, getattr(torch, dtype), device, arguments.profiles, prompts, arguments.seed, size)

    reference, peer = of_diffusers("float32"), of_diffusers(arguments.dtype)
    report = {
        "device": "cpu" if arguments.device == "cpu" else torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "reference": "diffusers float32",
        "peerDtype": arguments.dtype,
        "profiles": {
            name: {"darkroom": error(ours[name], reference[name]), "diffusers": error(peer[name], reference[name])}
            for name in arguments.profiles
        },
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    for name, both in report["profiles"].items():
        print(name, *(f"{who} {e['meanAbsolute']:.3f} levels, rms {e['rootMeanSquare']:.3f}" for who, e in both.items()))


if __name__ == "__main__":
    main()
