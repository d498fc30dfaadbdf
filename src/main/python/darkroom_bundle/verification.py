"""The saved modules against the models that they were made from, at batches and sizes other than the traced ones."""

from collections.abc import Collection
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from .checkpoint import Checkpoint, Safety
from .format import LATENT_CHANNELS, LATENT_SCALE, TEXT_LENGTH
from .safety import Features, cosine_distance

# (batch, latent height, latent width)
SHAPES = ((1, 16, 16), (3, 8, 24))

# the largest ‖error‖ / ‖value‖ allowed; float16 keeps 11 bits and sums in another order
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-2}

# the same of scores of the safety checker, which are cosines to three decimals
SCORE_TOLERANCE = {torch.float32: 1.5e-3, torch.float16: 1e-2}


class VerificationError(Exception):
    """A module that does not do what its model does."""


@torch.no_grad()
def verify(checkpoint: Checkpoint, directory: Path, modules: Collection[str]) -> None:
    """Loads every module of the bundle in `directory`, one at a time, and compares it with its model.

    :param modules: those that the bundle has, by their files
    :raises VerificationError: a result differs by more than the tolerance of the checkpoint's floating-point type
    """
    generator = torch.Generator("cpu").manual_seed(0)
    _verify_text_encoder(directory / "text_encoder.pt", checkpoint.text_encoder, generator)
    _verify_step(directory / "unet.pt", checkpoint.unet, generator)
    _verify_decoder(directory / "vae_decoder.pt", checkpoint.vae, generator)
    _verify_decoder(directory / "tiny_decoder.pt", checkpoint.tiny_vae, generator)
    for name, vae in (("vae_encoder.pt", checkpoint.vae), ("tiny_encoder.pt", checkpoint.tiny_vae)):
        if name in modules:
            _verify_encoder(directory / name, vae, generator)
    if checkpoint.safety is not None:
        _verify_safety(directory / "safety_checker.pt", checkpoint.safety, generator)


def _verify_text_encoder(path: Path, model: CLIPTextModel, generator: torch.Generator) -> None:
    module = torch.jit.load(path, map_location=model.device)
    for batch, _, _ in SHAPES:
        ids = torch.randint(model.config.vocab_size, (batch, TEXT_LENGTH), generator=generator).to(model.device)
        _compare(path, module(ids), model(ids).last_hidden_state, model.dtype)


def _verify_step(path: Path, model: UNet2DConditionModel, generator: torch.Generator) -> None:
    module = torch.jit.load(path, map_location=model.device)
    for texts, (batch, height, width) in enumerate(SHAPES, 1):
        size = (batch, LATENT_CHANNELS, height, width)
        sample, previous, noise = (torch.randn(size, generator=generator).to(model.device) for _ in range(3))
        for rows in (batch, 2 * batch):
            embeddings = torch.randn(rows, texts * TEXT_LENGTH, model.config.cross_attention_dim, generator=generator)
            embeddings = embeddings.to(model.device)
            scaled = torch.cat([0.5 * sample] * (rows // batch))
            epsilon = model(scaled.to(model.dtype), 501, embeddings.to(model.dtype)).sample.float()
            if rows == 2 * batch:
                unconditional, conditional = epsilon.chunk(2)
                epsilon = unconditional + 7.5 * (conditional - unconditional)
            denoised = 0.9 * sample - 0.8 * epsilon
            following = 0.7 * sample + 0.6 * denoised + 0.5 * previous + 0.4 * noise

            coefficients = torch.tensor([501.0, 0.5, 7.5, 0.9, -0.8, 0.7, 0.6, 0.5, 0.4])
            actual = module(sample, previous, noise, embeddings, coefficients.to(model.device))
            _compare(path, actual[0], following, model.dtype)
            _compare(path, actual[1], denoised, model.dtype)


def _verify_decoder(path: Path, model: AutoencoderKL | AutoencoderTiny, generator: torch.Generator) -> None:
    module = torch.jit.load(path, map_location=model.device)
    for batch, height, width in SHAPES:
        latents = torch.randn(batch, LATENT_CHANNELS, height, width, generator=generator).to(model.device)
        decoded = model.decode((latents / model.config.scaling_factor).to(model.dtype)).sample.float()
        levels = 255 * (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
        pixels = module(latents).float()
        # half a level is the rounding itself; only what is beyond it is an error
        nearest = levels.clamp(pixels - 0.5, pixels + 0.5)
        _compare(path, nearest, levels, model.dtype)


def _verify_encoder(path: Path, model: AutoencoderKL | AutoencoderTiny, generator: torch.Generator) -> None:
    module = torch.jit.load(path, map_location=model.device)
    for batch, height, width in SHAPES:
        size = (batch, height * LATENT_SCALE, width * LATENT_SCALE, 3)
        pixels = torch.randint(256, size, dtype=torch.uint8, generator=generator).to(model.device)
        encoded = model.encode((pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).to(model.dtype))
        if isinstance(model, AutoencoderTiny):
            actual, expected = module(pixels), encoded.latents
        else:
            noise = torch.randn(batch, LATENT_CHANNELS, height, width, generator=generator).to(model.device)
            actual = module(pixels, noise)
            expected = encoded.latent_dist.mean.float() + encoded.latent_dist.std.float() * noise
        _compare(path, actual, model.config.scaling_factor * expected.float(), model.dtype)


def _verify_safety(path: Path, safety: Safety, generator: torch.Generator) -> None:
    checker = safety.checker
    module = torch.jit.load(path, map_location=checker.device)
    features = Features(safety.extraction).to(checker.device)
    for batch, height, width in SHAPES:
        size = (batch, height * LATENT_SCALE, width * LATENT_SCALE, 3)
        pixels = torch.randint(256, size, dtype=torch.uint8, generator=generator).to(checker.device)
        embeddings = checker.visual_projection(checker.vision_model(features(pixels).to(checker.dtype)).pooler_output)
        special, concepts = (
            cosine_distance(embeddings, embeds).float() - thresholds.float()
            for embeds, thresholds in (
                (checker.special_care_embeds, checker.special_care_embeds_weights),
                (checker.concept_embeds, checker.concept_embeds_weights),
            )
        )
        care = (special.round(decimals=3) > 0).any(dim=1)
        error = (module(pixels) - (concepts.amax(dim=1) + 0.01 * care)).abs().max().item()
        if not error <= SCORE_TOLERANCE[checker.dtype]:
            raise VerificationError(f"{path.name}: a score differs from the checkpoint's checker by {error:.1e}")


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """‖actual − expected‖ / ‖expected‖, in float64."""
    actual, expected = actual.double(), expected.double()
    return ((actual - expected).norm() / expected.norm()).item()


def _compare(path: Path, actual: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    error = relative_error(actual, expected)
    # not `>`, which NaN would pass
    if not error <= TOLERANCE[dtype]:
        raise VerificationError(f"{path.name}: differs from the checkpoint's model by {error:.1e} of its norm")
