"""Stage 1, `python -m darkroom_mini.train_vae`: the VAE, on rendered scenes.

L1 on pixels and on their gradients at three scales, and a small Kullback-Leibler term. At the end the latents'
channels are brought to zero mean and one common standard deviation by folding an affine map into the two 1×1
convolutions round the latents; the inverse of that deviation becomes the scaling factor.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

from .latents import load_icons
from .scene import Renderer, SceneSampler
from .training import Average, Clock, Log, architecture, autocast, compiled, configuration, options, save_models, setup


def gradient_loss(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 between horizontal and vertical differences at full, half and quarter size: keeps edges sharp."""
    loss = image.new_zeros(())
    for _ in range(3):
        loss = loss + F.l1_loss(image.diff(dim=2), target.diff(dim=2)) + F.l1_loss(image.diff(dim=3), target.diff(dim=3))
        image, target = F.avg_pool2d(image, 2), F.avg_pool2d(target, 2)
    return loss


class Reconstruction(nn.Module):
    """The VAE as training sees it: pixels in, reconstruction and the latents' mean and log variance out."""

    def __init__(self, vae: AutoencoderKL):
        super().__init__()
        self.vae = vae

    def forward(self, pixels: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean, variance = self.vae.quant_conv(self.vae.encoder(pixels)).float().chunk(2, dim=1)
        variance = variance.clamp(-20, 10)
        latents = mean + noise * torch.exp(0.5 * variance)
        return self.vae.decoder(self.vae.post_quant_conv(latents)), mean, variance


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
    vae.post_quant_conv.bias += (weight[:, :, 0, 0] @ mean)
    weight /= gain[None, :, None, None]
    vae.register_to_config(scaling_factor=float(1 / common))


def main() -> None:
    parser = options("train_vae", __doc__)
    parser.add_argument("--seconds", type=float, default=230)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    clock = Clock(arguments.seconds)
    config = configuration(arguments.config)
    stage = config["vae"]
    device = setup(config["seed"])
    generator = torch.Generator(device).manual_seed(config["seed"])
    renderer = Renderer(load_icons(arguments.icons, device))
    # the VAE is no part of the held-out question, but it is kept to the same images
    sampler = SceneSampler(device, "seen")
    vae = architecture(config).vae().to(device, memory_format=torch.channels_last).train()
    model = compiled(Reconstruction(vae), device)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=0, betas=(0.9, 0.99), weight_decay=1e-3)
    average = Average([vae], stage["ema"])
    log = Log(arguments.out / "losses.json", "vae")

    def batch(count: int) -> torch.Tensor:
        pixels = renderer.render(sampler.draw(count, generator, config["latents"]["doubles"]), generator) * 2 - 1
        return pixels.contiguous(memory_format=torch.channels_last)

    step, pool = 0, torch.empty(0)
    while not clock.over:
        if len(pool) < stage["batch"]:
            pool = batch(stage["batch"] * (16 if device == "cuda" else 1))
        pixels, pool = pool[: stage["batch"]], pool[stage["batch"] :]
        for group in optimizer.param_groups:
            group["lr"] = stage["rate"] * clock.rate(step, 200)
        noise = torch.randn(len(pixels), 4, 16, 16, generator=generator, device=device)
        with autocast(device):
            image, mean, variance = model(pixels, noise)
        image = image.float()
        pixel = F.l1_loss(image, pixels)
        edges = gradient_loss(image, pixels)
        divergence = 0.5 * (mean**2 + variance.exp() - 1 - variance).mean()
        loss = pixel + stage["gradientWeight"] * edges + stage["klWeight"] * divergence
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        if step % 100 == 0 or step < 3:
            log.add(step, clock.spent, loss=loss, pixel=pixel, edges=edges, divergence=divergence)
        step += 1
    average.swap()
    vae.eval()
    with torch.no_grad():
        pixels = batch(512 if device == "cuda" else 16)
        normalise_latents(vae, torch.cat([vae.encode(p).latent_dist.mean for p in pixels.split(64)]))
        latents = torch.cat([vae.encode(p).latent_dist.mean for p in pixels.split(64)])
        decoded = torch.cat([vae.decode(z).sample for z in latents.split(64)])
        error = F.mse_loss(decoded.clamp(-1, 1) / 2, pixels / 2)
        factor = vae.config.scaling_factor
        log.add(step, clock.spent, psnr=-10 * error.log10(), factor=factor, deviation=latents.std() * factor)
    log.save()
    save_models(arguments.out, {"vae": vae}, scaling_factor=torch.tensor(factor))
    save_grid(arguments.out / "vae.png", torch.stack((pixels[:16], decoded[:16]), 1).flatten(0, 1), 8)


def save_grid(path: Path, images: torch.Tensor, columns: int) -> None:
    """Images [-1, 1] as one picture."""
    from PIL import Image

    rows = images.clamp(-1, 1).add(1).mul(127.5).round().byte().cpu().permute(0, 2, 3, 1)
    height, width = rows.shape[1:3]
    rows = rows.reshape(-1, columns, height, width, 3).transpose(1, 2).reshape(-1, columns * width, 3)
    Image.fromarray(rows.numpy()).save(path)


if __name__ == "__main__":
    main()
