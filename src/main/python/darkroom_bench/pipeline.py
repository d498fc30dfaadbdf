"""diffusers' pipeline, set as a profile asks. The golden images of the Java tests are drawn in the same way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from diffusers import (
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
    StableDiffusionPipeline,
)
from diffusers.utils import is_accelerate_available

from .profiles import Profile

SCHEDULERS = {
    "euler-ancestral": EulerAncestralDiscreteScheduler,
    # its defaults are dpmsolver++, order 2, midpoint, lower_order_final, and a last sigma of zero
    "dpmpp-2m": DPMSolverMultistepScheduler,
    "lcm": LCMScheduler,
}


def guidance_cutoff(fraction: float) -> Callable[..., dict[str, Any]]:
    """Drops the unconditional branch at the end of step ⌊fraction × steps⌋, counted from 0.

    It is the dynamic classifier-free guidance of diffusers' documentation on pipeline callbacks.
    """

    def on_step_end(pipeline, step, timestep, tensors):
        if step == int(pipeline.num_timesteps * fraction):
            pipeline._guidance_scale = 0.0
            tensors["prompt_embeds"] = tensors["prompt_embeds"].chunk(2)[-1]
        return tensors

    return on_step_end


def load_pipeline(checkpoint: Path, dtype: torch.dtype, device: str) -> StableDiffusionPipeline:
    """The checkpoint's pipeline without a safety checker, its models in `dtype` on the device."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        checkpoint, torch_dtype=dtype, safety_checker=None, requires_safety_checker=False, local_files_only=True,
        low_cpu_mem_usage=is_accelerate_available(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def load_tiny(directory: Path, dtype: torch.dtype, device: str) -> AutoencoderTiny:
    """The Tiny VAE, to be set as the pipeline's `vae`; a checkpoint has it as `tiny_vae`."""
    return AutoencoderTiny.from_pretrained(
        directory, torch_dtype=dtype, local_files_only=True, low_cpu_mem_usage=is_accelerate_available()
    ).to(device)


def set_scheduler(pipeline: StableDiffusionPipeline, profile: Profile) -> None:
    """The profile's scheduler from the configuration of the checkpoint's, whose defaults are not handed on."""
    pipeline.scheduler = SCHEDULERS[profile.scheduler].from_config(pipeline.scheduler.config)


def generate(
    pipeline: StableDiffusionPipeline, profile: Profile, prompts: Sequence[str], seeds: Sequence[int], **options: Any
) -> torch.Tensor:
    """A batch of images, one a prompt, as uint8 pixels [B, H, W, 3] in the host's memory.

    The pipeline and its scheduler are the profile's already. Pixels are rounded on the device, as the worker's are,
    which costs diffusers less time than its own way to a PIL image by float32 arrays on the host.

    :param options: of the pipeline's call
    """
    pixels = pipeline(
        list(prompts),
        num_inference_steps=profile.steps,
        guidance_scale=profile.scale,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        callback_on_step_end=guidance_cutoff(profile.cutoff),
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
        output_type="pt",
        **options,
    ).images
    return (pixels.float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu()


@contextlib.contextmanager
def float32_noise() -> Iterator[None]:
    """Within it, diffusers draws noise in float32 and rounds it.

    On its own a float16 pipeline draws in float16, for which torch's CPU generator gives other values, so that its
    image of a seed is not the float32 pipeline's. The worker always draws in float32.
    """
    from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion
    from diffusers.schedulers import scheduling_euler_ancestral_discrete, scheduling_lcm

    original = pipeline_stable_diffusion.randn_tensor

    def randn_tensor(shape, generator=None, device=None, dtype=None, **options):
        return original(shape, generator=generator, device=device, dtype=torch.float32, **options).to(dtype)

    with (
        mock.patch.object(pipeline_stable_diffusion, "randn_tensor", randn_tensor),
        mock.patch.object(scheduling_euler_ancestral_discrete, "randn_tensor", randn_tensor),
        mock.patch.object(scheduling_lcm, "randn_tensor", randn_tensor),
    ):
        yield
