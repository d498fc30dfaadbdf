"""Sampling with diffusers' schedulers, for a look at a model in training. Figures come from the Java pipeline."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
    UNet2DConditionModel,
)

from .architecture import scheduler as trained_with

SCHEDULERS = {
    "dpmpp-2m": DPMSolverMultistepScheduler,
    "euler-ancestral": EulerAncestralDiscreteScheduler,
    "lcm": LCMScheduler,
}


@torch.no_grad()
def sample(
    unet: UNet2DConditionModel,
    embeddings: torch.Tensor,
    unconditional: torch.Tensor,
    scheduler: str = "dpmpp-2m",
    steps: int = 20,
    scale: float = 7.5,
    cutoff: float = 0.4,
    seed: int = 0,
) -> torch.Tensor:
    """Latents, scaled, float32 [B, 4, h, w] for `embeddings` [B, 77, C] and `unconditional` [1, 77, C].

    The unconditional branch is dropped after step ⌊cutoff · steps⌋, counted from 0; at a scale of 1 there is none.
    """
    device, count, size = embeddings.device, len(embeddings), unet.config.sample_size
    solver = SCHEDULERS[scheduler].from_config(trained_with().config)
    solver.set_timesteps(steps, device=device)
    generator = torch.Generator("cpu").manual_seed(seed)
    latents = torch.randn(count, 4, size, size, generator=generator).to(device) * solver.init_noise_sigma
    both = torch.cat((unconditional.expand_as(embeddings), embeddings))
    for i, t in enumerate(solver.timesteps):
        scaled = solver.scale_model_input(latents, t)
        if scale != 1 and i <= int(cutoff * steps):
            without, with_prompt = unet(torch.cat((scaled, scaled)), t, both).sample.chunk(2)
            noise = without + scale * (with_prompt - without)
        else:
            noise = unet(scaled, t, embeddings).sample
        options = {} if scheduler == "dpmpp-2m" else {"generator": generator}
        latents = solver.step(noise, t, latents, **options).prev_sample.to(torch.float32)
    return latents


@torch.no_grad()
def decode(vae: AutoencoderKL | AutoencoderTiny, latents: torch.Tensor) -> torch.Tensor:
    """Pixels [B, 3, 8h, 8w] in [-1, 1] of scaled latents."""
    # the tiny VAE takes them as they are
    factor = 1.0 if isinstance(vae, AutoencoderTiny) else vae.config.scaling_factor
    return torch.cat([vae.decode(z / factor).sample for z in latents.split(64)]).clamp(-1, 1)
