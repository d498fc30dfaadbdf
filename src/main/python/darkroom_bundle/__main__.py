"""`python -m darkroom_bundle compile --checkpoint DIR --out DIR`, and what is done to a bundle later."""

import argparse
import math
import os
import re
import sys
import time
from pathlib import Path

from .format import ADAPTER_NAME, ENCODERS, LARGEST_SCALE, LATENT_SCALE, TEXT_LENGTH, parse_size, parse_text_lengths

# what the worker's CPU engine ships (DJL 0.35)
WORKER_TORCH = "2.7.1"


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "adapter":
        return _adapter(options)
    # a checkpoint is a folder: nothing may be asked of a hub
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    options.tiny = options.tiny or options.checkpoint / "tiny_vae"
    options.jobs = options.jobs or max(1, (os.cpu_count() or 1) // 2)
    if options.command == "packages":
        return _packages(options)
    if options.gpu:
        if options.dtype == "float32" or options.packages == "cpu":
            parser.error("--gpu compiles float16 packages for CUDA: leave --dtype and --packages out")
        options.packages, options.dtype = "cuda", "float16"
    options.dtype = options.dtype or "float32"
    return _compile(options)


def _packages(options: argparse.Namespace) -> int:
    for part, file in (("bundle", options.bundle / "bundle.json"), ("checkpoint", options.checkpoint / "model_index.json")):
        if not file.is_file():
            print(f"error: {part}: {file} does not exist", file=sys.stderr)
            return 2
    from .packages import PackageError, write_packages

    try:
        write_packages(options.bundle, options.checkpoint, options.tiny, options.device, options.jobs, _Progress())
    except (PackageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _adapter(options: argparse.Namespace) -> int:
    if not (options.bundle / "bundle.json").is_file():
        print(f"error: bundle: {options.bundle / 'bundle.json'} does not exist", file=sys.stderr)
        return 2
    from .adapters import add_adapter
    from .lora import LoraError

    try:
        add_adapter(options.bundle, options.name, options.lora, options.few_steps)
    except (LoraError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


class _Progress:
    """Prints a line with the seconds since it began."""

    def __init__(self):
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {what}", file=sys.stderr, flush=True)


def _compile(options: argparse.Namespace) -> int:
    progress = _Progress()
    progress("loading torch and diffusers")
    # seconds, which a wrong option or --help need not wait for
    import torch

    from .bundle import Offer, write_bundle
    from .checkpoint import CheckpointError, load_checkpoint
    from .lora import LoraError, fuse, layers_of
    from .packages import PackageError, write_packages
    from .torchscript import TorchVersionError, check_torch
    from .verbosity import only_errors
    from .verification import VerificationError

    only_errors()
    try:
        check_torch(options.worker_torch)
        progress(f"reading {options.checkpoint}")
        checkpoint = load_checkpoint(
            options.checkpoint,
            options.tiny,
            getattr(torch, options.dtype),
            options.timestep_spacing,
            options.variant,
            options.safety,
        )
        for lora, scale in options.lora or ():
            progress(f"fusing {lora} at {scale:g}")
            fuse(lora, scale, layers_of(checkpoint.unet, checkpoint.text_encoder))
        name = options.name or options.checkpoint.resolve().name
        sample = checkpoint.unet.config.sample_size or 64
        height, width = (sample, sample) if isinstance(sample, int) else sample
        offer = Offer(
            name=name,
            source=options.source or name,
            sizes=options.size or [(width * LATENT_SCALE, height * LATENT_SCALE)],
            batch_sizes=sorted(set(options.batch_size or (1, 2, 4, 8))),
            text_lengths=options.tokens,
            few_steps=options.few_steps or checkpoint.few_steps,
            encoders=[name for name in ENCODERS if name not in (options.without_encoder or ())],
        )
        if options.packages:
            for model in (checkpoint.unet, checkpoint.vae, checkpoint.tiny_vae):
                model.to(device=options.packages, memory_format=torch.channels_last)
            checkpoint.text_encoder.to(options.packages)
            if checkpoint.safety:
                checkpoint.safety.checker.to(options.packages)
        write_bundle(checkpoint, offer, options.out, progress)
        if options.packages:
            del checkpoint
            write_packages(options.out, options.checkpoint, options.tiny, options.packages, options.jobs, progress)
    except (CheckpointError, LoraError, PackageError, TorchVersionError, VerificationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    progress(f"{options.out}: {size / 1e6:.1f} MB")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bundle", description="Makes the worker's model bundles.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="the checkpoint")
    common.add_argument(
        "--tiny", type=Path, metavar="DIR", help="the Tiny VAE (TAESD; default: tiny_vae in the checkpoint)"
    )
    common.add_argument(
        "--jobs", type=_positive, metavar="N", help="packages compiled at a time (default: half the processors)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    compile_ = commands.add_parser(
        "compile", parents=[common], help="compile a Stable Diffusion 1.x checkpoint in diffusers layout into a bundle"
    )
    compile_.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the bundle is written")
    compile_.add_argument("--name", help="the bundle's name (default: the checkpoint directory's)")
    compile_.add_argument("--source", metavar="TEXT", help="what the checkpoint is, in words (default: the name)")
    compile_.add_argument(
        "--size",
        type=parse_size,
        action="append",
        metavar="WxH",
        help="an image size offered, in pixels, the first being the default; repeatable (default: the UNet's own)",
    )
    compile_.add_argument(
        "--batch-size",
        type=_positive,
        action="append",
        metavar="N",
        help="a batch size offered; repeatable (default: 1, 2, 4 and 8)",
    )
    compile_.add_argument(
        "--tokens",
        type=parse_text_lengths,
        default=[TEXT_LENGTH],
        metavar="N,N",
        help=f"tokens of prompts offered, multiples of {TEXT_LENGTH}: a prompt beyond is read as several texts, their "
        f"embeddings joined, as 77,154,231 offers; what is longer is cut (default: {TEXT_LENGTH} alone)",
    )
    compile_.add_argument(
        "--dtype",
        choices=("float32", "float16"),
        help="weights and arithmetic of the modules; what crosses their borders stays float32 (default: float32)",
    )
    compile_.add_argument(
        "--timestep-spacing",
        choices=("leading", "linspace", "trailing"),
        help="instead of the scheduler configuration's; where that has none each scheduler goes by its own, as with "
        "diffusers' from_config: Euler and DPM-Solver++ by linspace, DDIM by leading",
    )
    compile_.add_argument(
        "--lora",
        type=_lora,
        action="append",
        metavar="DIR|FILE[:SCALE]",
        help="a LoRA to be fused into the weights, in diffusers' or kohya's layout (default scale: 1); repeatable",
    )
    few_steps = "draw in few steps without guidance, as with LCM-LoRA: what the profiles fast and fast-8 need"
    compile_.add_argument("--few-steps", action="store_true", help=f"the weights {few_steps}")
    compile_.add_argument(
        "--gpu",
        action="store_true",
        help="also compile packages for the GPU at hand, into compiled/sm_XX of the bundle; implies --dtype float16",
    )
    compile_.add_argument(
        "--packages",
        choices=("cuda", "cpu"),
        help="also compile packages for this device; cuda is what --gpu does, cpu serves to try the compiled path",
    )
    compile_.add_argument(
        "--without-encoder",
        choices=ENCODERS,
        action="append",
        help="leave out a VAE's encoder, as where it was not trained: pictures are then encoded by the other one alone; "
        "without both the worker cannot start from a picture; repeatable",
    )
    compile_.add_argument(
        "--safety",
        action="store_true",
        help="also the checkpoint's safety_checker with its feature_extractor, by which the worker can flag or withhold images",
    )
    compile_.add_argument("--variant", help="of the checkpoint's weight files, e.g. fp16")
    compile_.add_argument(
        "--worker-torch",
        type=_version,
        default=WORKER_TORCH,
        metavar="VERSION",
        help="the libtorch that the worker runs: it loads modules of its own minor version or an older one "
        f"(default: {WORKER_TORCH}, its CPU engine)",
    )
    packages = commands.add_parser(
        "packages",
        parents=[common],
        help="compile packages for another device into a bundle, whose modules stay as they are",
    )
    packages.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle")
    packages.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default: cuda, the GPU at hand")
    adapter = commands.add_parser("adapter", help="adapters of a bundle, which requests name")
    add = adapter.add_subparsers(required=True, metavar="COMMAND", dest="what").add_parser(
        "add", help="turn a LoRA into an adapter of a bundle; one of this name is replaced"
    )
    add.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle")
    add.add_argument("--name", type=_adapter_name, required=True, help="by which requests name it")
    add.add_argument("--few-steps", action="store_true", help=f"it makes the weights {few_steps}")
    add.add_argument("lora", type=Path, metavar="FILE", help="the LoRA, in diffusers' or kohya's layout, or its folder")
    return parser


def _lora(text: str) -> tuple[Path, float]:
    path, colon, scale = text.rpartition(":")
    if not colon or Path(text).exists():
        return Path(text), 1.0
    try:
        value = float(scale)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST_SCALE:
        raise argparse.ArgumentTypeError(f"{scale!r} is not a scale from -{LARGEST_SCALE} to {LARGEST_SCALE}")
    return Path(path), value


def _adapter_name(text: str) -> str:
    if not re.fullmatch(ADAPTER_NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 64 of letters, digits, '.', '_' and '-'")
    return text


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as {WORKER_TORCH}")
    return text


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 to 9999")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
