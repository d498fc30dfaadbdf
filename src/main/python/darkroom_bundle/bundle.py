"""From a loaded checkpoint to the files of a bundle."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from .checkpoint import Checkpoint
from .format import ENCODERS, FORMAT, LATENT_CHANNELS, LATENT_SCALE, TEXT_LENGTH
from .modules import decoder_module, denoising_module, encoder_module, safety_module, text_encoder_module
from .torchscript import save_module, torch_version
from .verification import verify


@dataclass(frozen=True)
class Offer:
    """What the manifest says of the bundle: its name, its source in words, the sizes (pixels) and batch sizes.

    `text_lengths`: tokens of prompts, ascending, of which the first is the text encoder's own.
    `few_steps`: whether its weights draw in few steps without guidance.
    `encoders`: of the VAEs, those that it gets: `full`, `tiny`.
    """

    name: str
    source: str
    sizes: Sequence[tuple[int, int]]
    batch_sizes: Sequence[int]
    text_lengths: Sequence[int] = (TEXT_LENGTH,)
    few_steps: bool = False
    encoders: Sequence[str] = ENCODERS


def write_bundle(checkpoint: Checkpoint, offer: Offer, directory: Path, progress: Callable[[str], None]) -> None:
    """Writes the bundle of `checkpoint`; `bundle.json` last, so that a bundle with a manifest is a whole one."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bundle.json").unlink(missing_ok=True)

    progress("tokenizer.json")
    _save_tokenizer(checkpoint, directory / "tokenizer.json")
    modules = {
        "text_encoder.pt": lambda: text_encoder_module(checkpoint.text_encoder),
        "unet.pt": lambda: denoising_module(checkpoint.unet),
        "vae_decoder.pt": lambda: decoder_module(checkpoint.vae),
        "tiny_decoder.pt": lambda: decoder_module(checkpoint.tiny_vae),
    }
    if "full" in offer.encoders:
        modules["vae_encoder.pt"] = lambda: encoder_module(checkpoint.vae)
    if "tiny" in offer.encoders:
        modules["tiny_encoder.pt"] = lambda: encoder_module(checkpoint.tiny_vae)
    if (safety := checkpoint.safety) is not None:
        modules["safety_checker.pt"] = lambda: safety_module(safety)
    for name, compile_module in modules.items():
        progress(name)
        save_module(compile_module(), directory / name)
    progress("comparing the saved modules with the checkpoint")
    verify(checkpoint, directory, modules)

    tokenizer = checkpoint.tokenizer
    manifest = {
        "format": FORMAT,
        "name": offer.name,
        "source": offer.source,
        "architecture": "stable-diffusion-1",
        "torchVersion": torch_version(),
        "dtype": str(checkpoint.unet.dtype).removeprefix("torch."),
        "sizes": [{"width": width, "height": height} for width, height in offer.sizes],
        "batchSizes": list(offer.batch_sizes),
        "latentChannels": LATENT_CHANNELS,
        "latentScale": LATENT_SCALE,
        "textLength": TEXT_LENGTH,
        **({"textLengths": list(offer.text_lengths)} if len(offer.text_lengths) > 1 else {}),
        "embeddingSize": checkpoint.unet.config.cross_attention_dim,
        "tokens": {
            "start": tokenizer.bos_token_id,
            "end": tokenizer.eos_token_id,
            "pad": tokenizer.pad_token_id,
        },
        "scheduler": checkpoint.scheduler,
        "fewSteps": offer.few_steps,
    }
    if checkpoint.vocabulary is not None:
        manifest["vocabulary"] = checkpoint.vocabulary
    manifest["files"] = {name: digest(directory / name) for name in ("tokenizer.json", *modules)}
    (directory / "bundle.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _save_tokenizer(checkpoint: Checkpoint, path: Path) -> None:
    tokenizer = Tokenizer.from_str(checkpoint.tokenizer.backend_tokenizer.to_str())
    # what a call to the tokenizer last set; the worker cuts and pads itself
    tokenizer.no_truncation()
    tokenizer.no_padding()
    path.write_text(tokenizer.to_str(pretty=False) + "\n", "utf-8")


def digest(path: Path) -> dict[str, str | int]:
    """A file as manifests tell of it: `sha256` and `bytes`."""
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}
