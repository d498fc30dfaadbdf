"""The judge: a small convolutional network that names the object in an image.

`python -m darkroom_mini.classifier` trains it on rendered scenes, a fifth of each batch passed through the VAE so that
it knows what decoded latents look like, and states its accuracy on renderings that it was not trained on. Scenes of all
pairs of object and colour are used, so it is no better on the pairs that the diffusion model has seen.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from .latents import load_icons
from .scene import Renderer, SceneSampler
from .training import Log, architecture, configuration, load_models, options, save_models, setup
from .vocabulary import OBJECT_NAMES


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
    """Pixels [B, 3, 128, 128] in [-1, 1] → logits [B, objects]. It works at half the resolution."""

    def __init__(self, width: int = 24):
        super().__init__()
        widths = (2 * width, 4 * width, 6 * width)
        self.stem = nn.Conv2d(3, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Residual(b, a) for b, a in zip((width, *widths), widths))
        self.head = nn.Linear(2 * widths[-1], len(OBJECT_NAMES))

    def features(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """The activations after the stem and every block, [B, C, H, W], halving from 32×32."""
        activations = [F.relu(self.stem(F.avg_pool2d(pixels, 2)))]
        for block in self.blocks:
            activations.append(block(activations[-1]))
        return activations

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        last = self.features(pixels)[-1]
        return self.head(torch.cat((last.mean((2, 3)), last.amax((2, 3))), 1))


def disturb(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Small changes of tone and contrast, a little blur and noise; [-1, 1] to [-1, 1]."""
    count, device = len(pixels), pixels.device

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator, device=device)

    soft = F.avg_pool2d(F.pad(pixels, (2, 2, 2, 2), mode="replicate"), 5, 1)
    blend = torch.rand(count, 1, 1, 1, generator=generator, device=device)
    pixels = pixels + (soft - pixels) * blend
    pixels = pixels * (1 + 0.12 * normal(1, 1, 1)) + 0.06 * normal(3, 1, 1)
    return (pixels + 0.04 * blend * normal(3, 128, 128)).clamp(-1, 1)


def main() -> None:
    parser = options("classifier", __doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder with the weights of stage 3")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    config = configuration(arguments.config)
    stage = config["classifier"]
    device = setup(config["seed"] + 3)
    generator = torch.Generator(device).manual_seed(config["seed"] + 3)
    vae = architecture(config).vae().to(device)
    factor = float(load_models(arguments.weights, {"vae": vae})["scaling_factor"])
    renderer, sampler = Renderer(load_icons(arguments.icons, device), oversampling=1), SceneSampler(device, "all")
    model = Classifier(stage["width"]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage["rate"], weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, stage["rate"], stage["steps"], pct_start=0.15)
    log = Log(arguments.out / "losses.json", "classifier")

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        scenes = sampler.draw(count, generator, 0.0)
        return renderer.render(scenes, generator) * 2 - 1, scenes.first

    @torch.no_grad()
    def decoded(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        pixels, objects = draw(count)
        code = vae.encode(pixels).latent_dist.mean
        amount = stage["latentNoise"] / factor * torch.rand(count, 1, 1, 1, generator=generator, device=device)
        code = code + amount * torch.randn(code.shape, generator=generator, device=device)
        return vae.decode(code).sample.clamp(-1, 1), objects

    began = time.monotonic()
    batches = [decoded(20) for _ in range(stage["decoded"] // 20)]
    pool, pool_objects = torch.cat([p for p, _ in batches]), torch.cat([o for _, o in batches])
    print(f"decoded={len(pool)} seconds={time.monotonic() - began:.0f}", flush=True)
    for step in range(stage["steps"]):
        pixels, objects = draw(stage["batch"])
        index = torch.randint(len(pool), (stage["batch"] // 4,), generator=generator, device=device)
        pixels, objects = torch.cat((pixels, pool[index])), torch.cat((objects, pool_objects[index]))
        logits = model(disturb(pixels, generator))
        loss = F.cross_entropy(logits, objects, label_smoothing=0.05)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        if step % 25 == 0:
            accuracy = (logits.argmax(1) == objects).float().mean()
            log.add(step, time.monotonic() - began, loss=loss.detach(), accuracy=accuracy)
            save_models(arguments.out, {"classifier": model})
    model.eval()
    # fresh scenes: their places, sizes, light and colours were not met in training, at full quality
    generator.manual_seed(config["seed"] + 4)
    renderer = Renderer(load_icons(arguments.icons, device))
    right = total = 0
    with torch.no_grad():
        for _ in range(20):
            pixels, objects = draw(100)
            right += int((model(pixels).argmax(1) == objects).sum())
            total += len(objects)
    log.add(stage["steps"], time.monotonic() - began, accuracy_on_renderings=right / total)
    log.save()
    save_models(arguments.out, {"classifier": model.half()})


if __name__ == "__main__":
    main()
