"""Stage `judge`: a small convolutional network that names the object in an image, and its style.

It learns from rendered scenes, a quarter of each batch passed through the VAE so that it knows what decoded latents
look like. Of scenes with two objects it sees one half at a time, so that a pair is judged by its halves. Its accuracy is
stated on renderings that it was not trained on. Scenes of all pairs of object and colour are used, so it is no better on
the pairs that the diffusion model has seen.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from .latents import load_icons
from .scene import Renderer, Scenes, SceneSampler
from .training import Clock, Group, Log, Trainer, architecture, load_models, save_models, setup
from .vocabulary import OBJECT_NAMES, STYLES

SIZE = 128
"""Side in pixels that images are averaged down to."""


class _Residual(nn.Module):
    def __init__(self, before: int, after: int):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.skip = nn.Conv2d(before, after, 1, stride=2, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(inner)) + self.skip(x))


class Classifier(nn.Module):
    """Pixels [B, 3, 128, 128] in [-1, 1] → logits of objects [B, objects] and of styles [B, styles]."""

    def __init__(self, width: int = 24):
        super().__init__()
        widths = (2 * width, 4 * width, 6 * width)
        self.stem = nn.Conv2d(3, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Residual(b, a) for b, a in zip((width, *widths), widths))
        self.head = nn.Linear(2 * widths[-1], len(OBJECT_NAMES))
        self.style = nn.Linear(2 * sum(widths), len(STYLES))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = F.relu(self.stem(F.avg_pool2d(pixels, 2)))
        pooled = []
        for block in self.blocks:
            x = block(x)
            pooled.append(torch.cat((x.mean((2, 3)), x.amax((2, 3))), 1))
        # shading shows in what is small, too
        return self.head(pooled[-1]), self.style(torch.cat(pooled, 1))


def small(pixels: torch.Tensor) -> torch.Tensor:
    """Images [B, 3, H, W] averaged down to 128×128."""
    return pixels if pixels.shape[-1] == SIZE else F.avg_pool2d(pixels, pixels.shape[-1] // SIZE)


def halves(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The left and the right half of square images, each made square again by repeating its edges."""
    width = pixels.shape[-1]
    margin = (width // 4, width // 4, 0, 0)
    left, right = pixels[..., : width // 2], pixels[..., width // 2 :]
    return F.pad(left, margin, mode="replicate"), F.pad(right, margin, mode="replicate")


def disturb(pixels: torch.Tensor) -> torch.Tensor:
    """Small changes of tone and contrast, a little blur and noise; [-1, 1] to [-1, 1]."""
    count, device = len(pixels), pixels.device
    soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    blend = torch.rand(count, 1, 1, 1, device=device)
    pixels = pixels + (soft - pixels) * blend
    pixels = pixels * (1 + 0.12 * torch.randn(count, 1, 1, 1, device=device)) + 0.06 * torch.randn(count, 3, 1, 1, device=device)
    return (pixels + 0.04 * blend * torch.randn_like(pixels)).clamp(-1, 1)


def train(config: dict, icons: Path, out: Path, seconds: float) -> None:
    """Writes the judge to `out`/judge."""
    clock = Clock(seconds)
    stage = config["judge"]
    device = setup(config["seed"] + 3)
    generator = torch.Generator(device).manual_seed(config["seed"] + 3)
    shape = architecture(config)
    vae = shape.vae().to(device, memory_format=torch.channels_last)
    source = out / ("decoders" if (out / "decoders").exists() else "vae")
    factor = float(load_models(source, {"vae": vae})["scaling_factor"])
    renderer, sampler = Renderer(load_icons(icons, device), shape.image_size), SceneSampler(device, "all")
    model = Classifier(stage["width"]).to(device).train()
    log = Log(out / "losses.json", "judge")

    @torch.no_grad()
    def draw(count: int, decoded: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images [N, 3, 128, 128], objects and styles [N]; of scenes with two objects one half."""
        scenes: Scenes = sampler.draw(count, generator, 0.4)
        pixels = renderer.render(scenes, generator) * 2 - 1
        if decoded:
            code = vae.encode(pixels).latent_dist.mean
            amount = stage["latentNoise"] / factor * torch.rand(count, 1, 1, 1, generator=generator, device=device)
            pixels = vae.decode(code + amount * torch.randn_like(code)).sample.clamp(-1, 1)
        left, right = halves(pixels)
        side = torch.rand(count, generator=generator, device=device) < 0.5
        double = scenes.second >= 0
        objects = torch.where(double & side, scenes.second, scenes.first)
        half = torch.where(side[:, None, None, None], right, left)
        return small(torch.where(double[:, None, None, None], half, pixels)), objects, scenes.style

    def many(count: int, decoded: bool) -> list[torch.Tensor]:
        parts = []
        for start in range(0, count, 64):
            parts.append(draw(min(64, count - start), decoded))
            clock.tick()
        return [torch.cat(part) for part in zip(*parts)]

    pool = many(stage["pool"], False)
    through = many(stage["decoded"], True)
    print(f"images={stage['pool']} and {stage['decoded']} decoded, seconds={clock.elapsed:.1f}", flush=True)

    def loss() -> dict[str, torch.Tensor]:
        quarter = stage["batch"] // 4
        index = torch.randint(len(pool[0]), (stage["batch"] - quarter,), device=device)
        again = torch.randint(len(through[0]), (quarter,), device=device)
        pixels, objects, styles = (torch.cat((a[index], b[again])) for a, b in zip(pool, through))
        things, looks = model(disturb(pixels))
        thing, look = F.cross_entropy(things, objects, label_smoothing=0.05), F.cross_entropy(looks, styles)
        return {
            "loss": thing + 0.5 * look,
            "accuracy": (things.argmax(1) == objects).float().mean(),
            "style_accuracy": (looks.argmax(1) == styles).float().mean(),
        }

    trainer = Trainer(loss, [Group(list(model.parameters()), stage["rate"])], 0.99, 0.02)
    trainer.run(clock, 100, log, 100)
    trainer.finish()
    # the norms' statistics, of the averaged weights
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        for _ in range(20):
            model(disturb(pool[0][torch.randint(len(pool[0]), (stage["batch"],), device=device)]))
    model.eval()
    # fresh scenes: their places, sizes, light and colours were not met in training
    pixels, objects, styles = many(2000 if device == "cuda" else 64, False)
    with torch.no_grad():
        things, looks = (torch.cat(part) for part in zip(*(model(p) for p in pixels.split(128))))
    log.add(
        trainer.steps,
        clock.elapsed,
        accuracy_on_renderings=(things.argmax(1) == objects).float().mean(),
        style_on_renderings=(looks.argmax(1) == styles).float().mean(),
    )
    save_models(out / "judge", {"judge": model.half()})
