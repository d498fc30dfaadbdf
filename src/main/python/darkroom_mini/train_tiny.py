"""Stage `tiny`: the tiny decoder, taught by the full one on latents that diffusion makes.

The stage before has seen encoded scenes alone. What a prompt is drawn as is a little off those, and off them the tiny
decoder is worse than the full one.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F

from .latents import captions, tokenize
from .rate import SETTINGS
from .sampling import sample
from .scene import SceneSampler
from .tokenizer import train_tokenizer
from .train_lcm import with_lora
from .train_vae import gradient_loss, save_grid
from .training import Clock, Group, Log, Trainer, architecture, half, load_models, save_models, setup
from .vocabulary import corpus

_CHUNK = 256
_TESTED = 512


def train(config: dict, icons: Path, out: Path, seconds: float) -> None:
    """Replaces the tiny VAE in `out`/decoders."""
    clock = Clock(seconds)
    stage = config["tiny"]
    device = setup(config["seed"] + 6)
    dtype = half(device)
    shape = architecture(config)
    tokenizer = train_tokenizer(corpus(), config["tokens"])
    unet, few, text = shape.unet(), shape.unet(), shape.text_encoder(tokenizer)
    load_models(out / "diffusion", {"unet": unet, "text": text})
    load_models(out / "diffusion", {"unet": few})
    with_lora(few, out / "lcm")
    vae, tiny = shape.vae(), shape.tiny_vae()
    others = load_models(out / "decoders", {"vae": vae, "tiny": tiny})
    factor = float(others["scaling_factor"])
    for model in (unet, few, text, vae):
        model.to(device).requires_grad_(False)
    log = Log(out / "losses.json", "tiny")
    layout = torch.channels_last

    latents, pixels = [], []
    generator = torch.Generator(device).manual_seed(config["seed"] + 6)
    rng = random.Random(config["seed"] + 6)
    sampler = SceneSampler(device, "seen")
    for number in range(stage["images"] // _CHUNK):
        name = stage["settings"][number % len(stage["settings"])]
        asked = captions(sampler.draw(_CHUNK, generator, stage["doubles"]), rng)
        with torch.no_grad():
            embeddings = text(tokenize(tokenizer, [*asked, ""]).to(device).long())[0]
            model = few if SETTINGS[name][0] == "lcm" else unet
            drawn = sample(model, embeddings[:-1], embeddings[-1:], *SETTINGS[name], seed=number)
            latents.append(drawn.half())
            for part in drawn.split(64):
                image = vae.decode(part / factor).sample.clamp(-1, 1)
                pixels.append(image.add(1).mul(127.5).round().byte())
        clock.tick(10.0)
    print(f"images={len(latents) * _CHUNK} seconds={clock.elapsed:.1f}", flush=True)
    codes, images = torch.cat(latents), torch.cat(pixels)
    codes, images, tested, expected = codes[_TESTED:], images[_TESTED:], codes[:_TESTED], images[:_TESTED]

    def psnr() -> torch.Tensor:
        with torch.no_grad():
            parts = [tiny.decoder(z.to(tiny.dtype)).float().clamp(-1, 1) for z in tested.split(64)]
            return -10 * F.mse_loss(torch.cat(parts) / 2, (expected.float() / 127.5 - 1) / 2).log10()

    tiny = tiny.to(device, dtype, memory_format=layout).requires_grad_(False)
    log.add(0, clock.elapsed, tiny_to_full_psnr=psnr())
    trained = [*tiny.decoder.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)

    def loss() -> dict[str, torch.Tensor]:
        index = torch.randint(len(codes), (stage["batch"],), device=device)
        target = images[index].float() / 127.5 - 1
        image = tiny.decoder(codes[index].to(dtype).contiguous(memory_format=layout)).float()
        pixel, edges = F.l1_loss(image, target), gradient_loss(image, target)
        return {"loss": pixel + stage["gradientWeight"] * edges, "pixel": pixel, "edges": edges}

    trainer = Trainer(loss, [Group(trained, stage["rate"])], stage["ema"], 1e-3)
    trainer.run(clock, 200, log, 2000)
    trainer.finish()
    tiny = tiny.float()
    log.add(trainer.steps, clock.elapsed, tiny_to_full_psnr=psnr())
    save_models(out / "decoders", {"vae": vae, "tiny": tiny}, **others)
    with torch.no_grad():
        small = tiny.decoder(tested[:8].float())
    save_grid(out / "tiny.jpg", torch.cat((expected[:8].float() / 127.5 - 1, small)), 8)
