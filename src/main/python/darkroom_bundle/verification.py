"""The saved modules against the models that they were made from, at batches and sizes other than the traced ones."""

from pathlib import Path

import torch
from torch import Tensor

from .checkpoint import Checkpoint
from .format import LATENT_CHANNELS, TEXT_LENGTH

# (batch, latent height, latent width)
SHAPES = ((1, 16, 16), (3, 8, 24))

# the largest error allowed, relative to the largest value; float16 keeps 11 bits and sums in another order
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-2}


class VerificationError(Exception):
    """A module that does not do what its model does."""


@torch.no_grad()
def verify(checkpoint: Checkpoint, directory: Path) -> None:
    """Loads every module of the bundle in `directory` and compares it with its model.

    :raises VerificationError: a result differs by more than the tolerance of the checkpoint's floating-point type
    """
    generator = torch.Generator("cpu").manual_seed(0)
    load = {path.name: torch.jit.load(path, map_location="cpu") for path in directory.glob("*.pt")}
    dtype = checkpoint.unet.dtype

    def check(name: str, actual: Tensor, expected: Tensor) -> None:
        error = (actual.double() - expected.double()).abs().max() / expected.double().abs().max()
        if not error <= TOLERANCE[dtype]:
            raise VerificationError(f"{name}: differs from the checkpoint's model by {error:.1e} of the largest value")

    for batch, height, width in SHAPES:
        ids = torch.randint(len(checkpoint.tokenizer), (batch, TEXT_LENGTH), generator=generator)
        check("text_encoder.pt", load["text_encoder.pt"](ids), checkpoint.text_encoder(ids).last_hidden_state)

        size = (batch, LATENT_CHANNELS, height, width)
        sample, previous, noise = (torch.randn(size, generator=generator) for _ in range(3))
        rows = (2 * batch, TEXT_LENGTH, checkpoint.unet.config.cross_attention_dim)
        embeddings = torch.randn(rows, generator=generator)
        for guided in (True, False):
            context = embeddings if guided else embeddings[batch:]
            coefficients = torch.tensor([501.0, 0.5, 7.5, 0.9, -0.8, 0.7, 0.6, 0.5, 0.4])
            actual = load["unet.pt"](sample, previous, noise, context, coefficients)
            inputs = torch.cat([0.5 * sample] * (2 if guided else 1))
            prediction = checkpoint.unet(inputs.to(dtype), 501.0, context.to(dtype)).sample.float()
            if guided:
                unconditional, conditional = prediction.chunk(2)
                prediction = unconditional + 7.5 * (conditional - unconditional)
            denoised = 0.9 * sample - 0.8 * prediction
            check("unet.pt", actual[1], denoised)
            check("unet.pt", actual[0], 0.7 * sample + 0.6 * denoised + 0.5 * previous + 0.4 * noise)

        for name, vae in (("vae_decoder.pt", checkpoint.vae), ("tiny_decoder.pt", checkpoint.tiny_vae)):
            decoded = vae.decode((sample / vae.config.scaling_factor).to(dtype)).sample.float()
            levels = 255 * (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
            pixels = load[name](sample).to(torch.float32)
            # the rounding itself is no error, and a value on the edge between two levels may fall either way
            check(name, torch.where((pixels - levels).abs() <= 0.5, levels, pixels), levels)
