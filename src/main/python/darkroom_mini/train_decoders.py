"""Stage `decoders`: the decoder refined, and the tiny decoder distilled from it.

With the encoder frozen the latents cannot move, so the decoder may be trained on, now with noise on the latents like
the errors that diffusion leaves. The tiny decoder learns to give what the full one gives for the same latents.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
import torch.nn.functional as F

from .latents import load_icons
from .scene import Renderer, SceneSampler
from .train_vae import gradient_loss, save_grid
from .training import Clock, Group, Log, Trainer, architecture, half, load_models, save_models, setup


def train(config: dict, icons: Path, out: Path, seconds: float) -> None:
    """Writes VAE and tiny VAE to `out`/decoders."""
    clock = Clock(seconds)
    stage = config["decoders"]
    device = setup(config["seed"] + 2)
    dtype = half(device)
    shape = architecture(config)
    vae, tiny = shape.vae(), shape.tiny_vae()
    others = load_models(out / "vae", {"vae": vae})
    if (out / "decoders").exists():
        load_models(out / "decoders", {"vae": vae, "tiny": tiny})
    factor = float(others["scaling_factor"])
    generator = torch.Generator(device).manual_seed(config["seed"] + 2)
    renderer, sampler = Renderer(load_icons(icons, device), shape.image_size), SceneSampler(device, "seen")
    log = Log(out / "losses.json", "decoders")
    layout = torch.channels_last

    pixels, latents = [], []
    encoder = copy.deepcopy(vae).to(device, dtype, memory_format=layout)
    with torch.no_grad():
        for start in range(0, stage["images"], 128):
            scenes = sampler.draw(min(128, stage["images"] - start), generator, config["doubles"])
            image = renderer.render(scenes, generator)
            pixels.append(image.mul(255).round().byte())
            mean = encoder.encode((image * 2 - 1).to(dtype).contiguous(memory_format=layout)).latent_dist.mean
            latents.append(mean.float() * factor)
            clock.tick()
    pixels, latents = torch.cat(pixels), torch.cat(latents)
    print(f"images={len(pixels)} seconds={clock.elapsed:.1f}", flush=True)

    kept = copy.deepcopy(vae.encoder), copy.deepcopy(vae.quant_conv)
    vae = vae.to(device, dtype, memory_format=layout).requires_grad_(False)
    tiny = tiny.to(device, dtype, memory_format=layout).requires_grad_(False)
    trained = [[*vae.decoder.parameters(), *vae.post_quant_conv.parameters()], list(tiny.decoder.parameters())]
    for parameter in (p for part in trained for p in part):
        parameter.requires_grad_(True)

    def loss() -> dict[str, torch.Tensor]:
        index = torch.randint(len(latents), (stage["batch"],), device=device)
        target = pixels[index].float() / 127.5 - 1
        clean = latents[index]
        amount = stage["latentNoise"] * torch.rand(len(clean), 1, 1, 1, device=device)
        noisy = clean + amount * torch.randn_like(clean)
        full = vae.decoder(vae.post_quant_conv((noisy / factor).to(dtype).contiguous(memory_format=layout))).float()
        small = tiny.decoder(noisy.to(dtype).contiguous(memory_format=layout)).float()
        pixel, edges = F.l1_loss(full, target), gradient_loss(full, target)
        # learning from the picture as well spares the tiny decoder the full one's early errors
        teacher = 0.5 * full.detach() + 0.5 * target
        tiny_pixel, tiny_edges = F.l1_loss(small, teacher), gradient_loss(small, teacher)
        total = pixel + tiny_pixel + stage["gradientWeight"] * (edges + tiny_edges)
        return {"loss": total, "pixel": pixel, "edges": edges, "tiny_pixel": tiny_pixel, "tiny_edges": tiny_edges}

    groups = [Group(trained[0], stage["rate"]), Group(trained[1], 2 * stage["rate"])]
    trainer = Trainer(loss, groups, stage["ema"], 1e-3)
    trainer.run(clock, 100, log, 200)
    trainer.finish()
    vae, tiny = vae.float(), tiny.float()
    # as stage 1 left it, not rounded to 16 bits
    vae.encoder, vae.quant_conv = (part.to(device) for part in kept)
    with torch.no_grad():
        image = renderer.render(sampler.draw(64 if device == "cuda" else 8, generator, 0.25), generator) * 2 - 1
        code = torch.cat([vae.encode(p).latent_dist.mean for p in image.split(16)])
        full = torch.cat([vae.decode(z).sample.clamp(-1, 1) for z in code.split(16)])
        small = torch.cat([tiny.decode(z).sample.clamp(-1, 1) for z in (code * factor).split(16)])
        log.add(
            trainer.steps,
            clock.elapsed,
            psnr=-10 * F.mse_loss(full / 2, image / 2).log10(),
            tiny_psnr=-10 * F.mse_loss(small / 2, image / 2).log10(),
            tiny_to_full_psnr=-10 * F.mse_loss(small / 2, full / 2).log10(),
        )
    save_models(out / "decoders", {"vae": vae, "tiny": tiny}, **others)
    save_grid(out / "decoders.jpg", torch.cat((image[:8], full[:8], small[:8])), 8)
