"""The training set of the diffusion stage: scenes encoded once by the VAE, and their tokenised captions."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

from .architecture import TEXT_LENGTH
from .scene import Renderer, Scenes, SceneSampler
from .training import Clock
from .vocabulary import Scene, caption, phrasings


def load_icons(path: Path, device: str) -> torch.Tensor:
    """Icons as `darkroom_mini.icons` wrote them, uint8 [objects, styles, 4, S, S]."""
    return torch.from_numpy(np.load(path)["icons"]).to(device)


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids int32 [N, 77], padded as CLIP pads."""
    rows = np.full((len(texts), TEXT_LENGTH), tokenizer.pad_token_id, np.int32)
    for row, encoding in zip(rows, tokenizer.backend_tokenizer.encode_batch_fast(texts)):
        ids = encoding.ids[:TEXT_LENGTH]
        row[: len(ids)] = ids
    return torch.from_numpy(rows)


def captions(scenes: Scenes, rng: random.Random) -> list[str]:
    """A caption for each scene in a phrasing drawn at random."""
    texts = []
    columns = (t.tolist() for t in (scenes.first, scenes.second, scenes.color, scenes.style))
    for first, second, color, style in zip(*columns):
        objects = (first,) if second < 0 else (first, second)
        texts.append(caption(Scene(objects, color, style), rng.choice(phrasings(len(objects)))))
    return texts


@torch.no_grad()
def encode_scenes(
    vae: AutoencoderKL,
    renderer: Renderer,
    sampler: SceneSampler,
    tokenizer: CLIPTokenizer,
    images: int,
    seed: int,
    device: str,
    doubles: float,
    clock: Clock,
    chunk: int = 256,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents, scaled, float16 [N, 4, h, w], and token ids int32 [N, 77], on the device: `images`, or as many as the
    clock allows."""
    generator = torch.Generator(device).manual_seed(seed)
    rng = random.Random(seed)
    latents, tokens = [], []
    for start in range(0, images, chunk):
        scenes = sampler.draw(min(chunk, images - start), generator, doubles)
        pixels = renderer.render(scenes, generator) * 2 - 1
        mean = vae.encode(pixels.to(vae.dtype).contiguous(memory_format=torch.channels_last)).latent_dist.mean
        latents.append((mean.float() * vae.config.scaling_factor).half())
        # the host's part goes on while the device renders
        tokens.append(tokenize(tokenizer, captions(scenes, rng)))
        if device == "cuda":
            torch.cuda.synchronize()
        clock.tick()
        if clock.over:
            break
    return torch.cat(latents), torch.cat(tokens).to(device)
