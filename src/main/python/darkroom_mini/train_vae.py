"""Stage `vae`: the VAE, on rendered scenes.

L1 on pixels and on their gradients at three scales, and a small Kullback-Leibler term. At the end the latents'
channels are brought to zero mean and one common standard deviation by folding an affine map into the two 1×1
convolutions round the latents; the inverse of that deviation becomes the scaling factor.

It learns from windows of the images: a step costs a quarter, and what the VAE has to know is nowhere wider than a window.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from .latents import load_icons
from .scene import Renderer, SceneSampler
from .training import Clock, Group, Log, Trainer, architecture, half, save_models, setup

_REFRESHED = 64


def gradient_loss(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 between horizontal and vertical differences at full, half and quarter size: keeps edges sharp."""
    loss = image.new_zeros(())
    for _ in range(3):
        loss = loss + F.l1_loss(image.diff(dim=2), target.diff(dim=2)) + F.l1_loss(image.diff(dim=3), target.diff(dim=3))
        image, target = F.avg_pool2d(image, 2), F.avg_pool2d(target, 2)
    return loss


@torch.no_grad()
def normalise_latents(vae: AutoencoderKL, latents: torch.Tensor) -> None:
    """Folds the statistics of `latents` ([N, 4, h, w], unscaled) into the VAE, and sets its scaling factor."""
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    common = deviation.mean()
    gain = common / deviation
    count = len(gain)
    # the encoder's convolution makes means, then log variances
    vae.quant_conv.weight[:count] *= gain[:, None, None, None]
    vae.quant_conv.bias[:count] = (vae.quant_conv.bias[:count] - mean) * gain
    vae.quant_conv.bias[count:] += 2 * gain.log()
    weight = vae.post_quant_conv.weight
    vae.post_quant_conv.bias += weight[:, :, 0, 0] @ mean
    weight /= gain[None, :, None, None]
    vae.register_to_config(scaling_factor=float(1 / common))


def train(config: dict, icons: Path, out: Path, seconds: float) -> None:
    """Writes the VAE to `out`/vae."""
    clock = Clock(seconds)
    stage = config["vae"]
    device = setup(config["seed"])
    dtype = half(device)
    shape = architecture(config)
    generator = torch.Generator(device).manual_seed(config["seed"])
    renderer = Renderer(load_icons(icons, device), shape.image_size)
    # the VAE is no part of the held-out question, but it is kept to the same images
    sampler = SceneSampler(device, "seen")
    vae = shape.vae().to(device, dtype, memory_format=torch.channels_last).train()
    log = Log(out / "losses.json", "vae")
    rng = random.Random(config["seed"])

    def render(count: int) -> torch.Tensor:
        return renderer.render(sampler.draw(count, generator, config["doubles"]), generator) * 2 - 1

    def windows(count: int) -> torch.Tensor:
        """Two of each image, opposite to each other."""
        images, side = render(count // 2).to(dtype), stage["window"]
        rest = images.shape[2] - side
        y, x = rng.randint(0, rest), rng.randint(0, rest)
        return torch.cat([images[:, :, top : top + side, left : left + side] for top, left in ((y, x), (rest - y, rest - x))])

    chunk = min(_REFRESHED, stage["pool"])
    pool = torch.cat([windows(chunk) for _ in range(stage["pool"] // chunk)])

    def loss() -> dict[str, torch.Tensor]:
        pixels = pool[torch.randint(len(pool), (stage["batch"],), device=device)]
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        mean, variance = vae.quant_conv(vae.encoder(pixels)).float().chunk(2, dim=1)
        variance = variance.clamp(-20, 10)
        latents = mean + torch.randn_like(mean) * torch.exp(0.5 * variance)
        image = vae.decoder(vae.post_quant_conv(latents.to(dtype))).float()
        pixels = pixels.float()
        pixel, edges = F.l1_loss(image, pixels), gradient_loss(image, pixels)
        divergence = 0.5 * (mean**2 + variance.exp() - 1 - variance).mean()
        total = pixel + stage["gradientWeight"] * edges + stage["klWeight"] * divergence
        return {"loss": total, "pixel": pixel, "edges": edges, "divergence": divergence}

    def refresh(step: int) -> None:
        # each image is seen a few times
        if step % 4 == 3:
            start = (step // 4 * chunk) % len(pool)
            pool[start : start + chunk] = windows(chunk)

    trainer = Trainer(loss, [Group(list(vae.parameters()), stage["rate"])], stage["ema"], 1e-3, 0.5)
    clock.tick(30.0)
    trainer.run(clock, 200, log, 200, refresh)
    trainer.finish()
    vae.eval()
    with torch.no_grad():
        pixels = render(256 if device == "cuda" else 8).contiguous(memory_format=torch.channels_last)
        normalise_latents(vae, torch.cat([vae.encode(p).latent_dist.mean for p in pixels.split(32)]))
        latents = torch.cat([vae.encode(p).latent_dist.mean for p in pixels.split(32)])
        decoded = torch.cat([vae.decode(z).sample for z in latents.split(32)])
        error = F.mse_loss(decoded.clamp(-1, 1) / 2, pixels / 2)
        factor = vae.config.scaling_factor
        log.add(trainer.steps, clock.elapsed, psnr=-10 * error.log10(), factor=factor, deviation=latents.std() * factor)
    save_models(out / "vae", {"vae": vae}, scaling_factor=torch.tensor(factor))
    save_grid(out / "vae.jpg", torch.stack((pixels[:8], decoded[:8]), 1).flatten(0, 1), 8)


def save_grid(path: Path, images: torch.Tensor, columns: int) -> None:
    """Images [-1, 1] as one picture."""
    from PIL import Image

    rows = images.clamp(-1, 1).add(1).mul(127.5).round().byte().cpu().permute(0, 2, 3, 1)
    height, width = rows.shape[1:3]
    rows = rows.reshape(-1, columns, height, width, 3).transpose(1, 2).reshape(-1, columns * width, 3)
    Image.fromarray(rows.numpy()).save(path, quality=88)
