"""The judge: a small convolutional network that names the object in an image.

`python -m darkroom_mini.classifier` trains it on rendered scenes, half of them passed through the VAE so that it
knows what decoded latents look like, and states its accuracy on real renderings that it was not trained on. Scenes of
all pairs of object and colour are used, so it is no better on the pairs that the diffusion model has seen. Its
features also serve as a perceptual distance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from .latents import load_icons
from .scene import Renderer, SceneSampler
from .training import (
    CONFIGURATION,
    Average,
    Clock,
    Log,
    architecture,
    autocast,
    compiled,
    configuration,
    load_models,
    save_models,
    setup,
)
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
    """Pixels [B, 3, 128, 128] in [-1, 1] → logits [B, objects]."""

    def __init__(self, width: int = 32):
        super().__init__()
        widths = (width, 2 * width, 3 * width, 4 * width, 5 * width)
        self.stem = nn.Conv2d(3, width, 5, stride=1, padding=2)
        self.blocks = nn.ModuleList(_Residual(b, a) for b, a in zip((width, *widths), widths))
        self.head = nn.Linear(2 * widths[-1], len(OBJECT_NAMES))

    def features(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """The activations after every block, [B, C, H, W], halving from 64×64."""
        x = F.relu(self.stem(pixels))
        activations = []
        for block in self.blocks:
            x = block(x)
            activations.append(x)
        return activations

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        last = self.features(pixels)[-1]
        return self.head(torch.cat((last.mean((2, 3)), last.amax((2, 3))), 1))


def disturb(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Small changes of tone and contrast, a little blur or noise; [-1, 1] to [-1, 1]."""
    count, device = len(pixels), pixels.device

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator, device=device)

    soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    blend = torch.rand(count, 1, 1, 1, generator=generator, device=device)
    pixels = pixels + (soft - pixels) * blend
    pixels = pixels * (1 + 0.12 * normal(1, 1, 1)) + 0.08 * normal(3, 1, 1)
    return (pixels + 0.04 * blend * normal(3, 128, 128)).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.classifier", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=CONFIGURATION)
    parser.add_argument("--icons", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="folder with the weights of stage 3")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=75)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    clock = Clock(arguments.seconds)
    config = configuration(arguments.config)
    stage = config["classifier"]
    device = setup(config["seed"] + 3)
    generator = torch.Generator(device).manual_seed(config["seed"] + 3)
    vae = architecture(config).vae().to(device, memory_format=torch.channels_last)
    load_models(arguments.weights, {"vae": vae})
    renderer, sampler = Renderer(load_icons(arguments.icons, device)), SceneSampler(device, "all")
    classifier = Classifier(stage["width"]).to(device, memory_format=torch.channels_last)
    model = compiled(classifier, device)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=0, weight_decay=0.02)
    average = Average([classifier], 0.99)
    log = Log(arguments.out / "losses.json", "classifier")

    @torch.no_grad()
    def batch(count: int, decoded: bool) -> tuple[torch.Tensor, torch.Tensor]:
        scenes = sampler.draw(count, generator, 0.0)
        pixels = (renderer.render(scenes, generator) * 2 - 1).contiguous(memory_format=torch.channels_last)
        if decoded:
            half = count // 2
            with autocast(device):
                code = vae.encode(pixels[:half]).latent_dist.mean
                code = code + 0.1 / float(vae.config.scaling_factor) * torch.randn(
                    code.shape, generator=generator, device=device
                ) * torch.rand(half, 1, 1, 1, generator=generator, device=device)
                pixels[:half] = vae.decode(code).sample.float().clamp(-1, 1)
        return pixels, scenes.first

    step = 0
    while step == 0 or not clock.over:
        for group in optimizer.param_groups:
            group["lr"] = stage["rate"] * clock.rate(step, 100)
        pixels, objects = batch(stage["batch"], True)
        with autocast(device):
            logits = model(disturb(pixels, generator))
        loss = F.cross_entropy(logits.float(), objects, label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        if step % 50 == 0:
            log.add(step, clock.spent, loss=loss, accuracy=(logits.argmax(1) == objects).float().mean())
        step += 1
    average.swap()
    classifier.eval()
    generator.manual_seed(config["seed"] + 4)
    right = total = 0
    with torch.no_grad():
        for _ in range(20 if device == "cuda" else 1):
            pixels, objects = batch(256 if device == "cuda" else 8, False)
            right += (classifier(pixels).argmax(1) == objects).sum()
            total += len(objects)
    log.add(step, clock.spent, accuracy_on_renderings=right / total)
    log.save()
    save_models(arguments.out, {"classifier": classifier.half()})


if __name__ == "__main__":
    main()
