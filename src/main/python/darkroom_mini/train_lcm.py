"""Stage `lcm`: few-step sampling as a LoRA of the UNet, for latent consistency models' scheduler (Luo et al., 2023).

The consistency function takes a noisy latent to the end of its trajectory under the trained model's probability flow,
with guidance folded in: at the scale of the profile `final` where that guides, at the noisy end, and none below. Instead
of a step's consistency with the next, whose errors have to travel through all of them, the ends are solved for: the
trained model draws images from noise (DPM-Solver++), noise is added to them again up to every timestep, and they are
drawn to the end once more. The LoRA learns these ends by regression. When it draws well itself, what it draws takes
the place of the trained model's images in a part of the set, so that it learns to mend its own errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from .architecture import scheduler
from .latents import tokenize
from .lora_layers import add_lora, lora_tensors, merge, parameters
from .tokenizer import train_tokenizer
from .training import Clock, Group, Log, Trainer, architecture, half, load_models, load_tensors, save_tensors, setup
from .vocabulary import corpus

ORIGINAL_STEPS = 50
"""Of LCMScheduler: the timesteps 19, 39, … 999."""


def boundary(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """c_skip and c_out of LCMScheduler, [B] for timesteps [B]."""
    scaled = t.float() * 10.0
    return 0.25 / (scaled**2 + 0.25), scaled / (scaled**2 + 0.25).sqrt()


class Teacher:
    """Solves the trained model's trajectories from a timestep to their ends."""

    def __init__(self, unet: torch.nn.Module, unconditional: torch.Tensor, stage: dict, alphas: torch.Tensor):
        """`alphas`: the products ᾱ of the schedule, [1000], on the host."""
        self._unet, self._unconditional, self._stage = unet, unconditional, stage
        self._alphas = alphas.double().tolist()

    @torch.no_grad()
    def solve(self, latents: torch.Tensor, start: int, embeddings: torch.Tensor) -> torch.Tensor:
        """DPM-Solver++ (2M) from timestep `start`: latents [B, 4, h, w] → those without noise, float32."""
        count = max(2, math.ceil(start / self._stage["stepLength"]))
        timesteps = [round(start * (1 - i / count)) for i in range(count)]
        points = [(math.sqrt(self._alphas[t]), math.sqrt(1 - self._alphas[t])) for t in timesteps] + [(1.0, 0.0)]
        previous = None
        last_step = 0.0
        for i, t in enumerate(timesteps):
            (alpha, sigma), (next_alpha, next_sigma) = points[i], points[i + 1]
            clean = (latents - sigma * self._noise(latents, t, embeddings)) / alpha
            if next_sigma == 0:
                return clean
            h = math.log(next_alpha / next_sigma) - math.log(alpha / sigma)
            estimate = clean
            if previous is not None:
                estimate = clean + (clean - previous) * (0.5 * h / last_step)
            latents = next_sigma / sigma * latents - next_alpha * math.expm1(-h) * estimate
            previous, last_step = clean, h
        raise AssertionError("the last step is without noise")

    def _noise(self, latents: torch.Tensor, t: int, embeddings: torch.Tensor) -> torch.Tensor:
        x = latents.to(embeddings.dtype)
        timestep = torch.full((len(x),), t, device=x.device)
        if t < self._stage["guidedFrom"]:
            return self._unet(x, timestep, embeddings, return_dict=False)[0].float()
        both = torch.cat((self._unconditional.expand_as(embeddings), embeddings))
        without, with_prompt = self._unet(x.repeat(2, 1, 1, 1), timestep.repeat(2), both, return_dict=False)[0].float().chunk(2)
        return without + self._stage["guidance"] * (with_prompt - without)


class Examples:
    """What the LoRA learns from: noisy latents, their timesteps and their ends, in places that stay where they are.

    The first part begins at pure noise, the second anywhere.
    """

    def __init__(self, capacities: list[int], shape: tuple[int, ...], text_length: int, device: str):
        total = sum(capacities)
        self.noisy = torch.zeros(total, *shape, device=device, dtype=torch.float16)
        self.ends = torch.zeros(total, *shape, device=device, dtype=torch.float16)
        self.timesteps = torch.zeros(total, dtype=torch.long, device=device)
        self.tokens = torch.zeros(total, text_length, dtype=torch.int32, device=device)
        self._capacities = capacities
        self.filled, self._next = [0, 0], [0, 0]
        self._counts = torch.zeros(2, device=device)

    def add(self, part: int, noisy: torch.Tensor, timestep: int, ends: torch.Tensor, tokens: torch.Tensor) -> None:
        """Adds examples; where there is no more room the oldest go. One with a value that is no number is left out."""
        good = ends.isfinite().flatten(1).all(1) & (ends.abs().flatten(1).amax(1) < 50)
        noisy, ends, tokens = noisy[good], ends[good], tokens[good]
        if self._next[part] + len(noisy) > self._capacities[part]:
            self._next[part] = 0
        start = sum(self._capacities[:part]) + self._next[part]
        place = slice(start, start + len(noisy))
        self.noisy[place], self.ends[place], self.tokens[place] = noisy.half(), ends.half(), tokens
        self.timesteps[place] = timestep
        self._next[part] += len(noisy)
        self.filled[part] = max(self.filled[part], self._next[part])
        self._counts[part] = self.filled[part]

    def draw(self, count: int, first: float) -> torch.Tensor:
        """Indices [count], a share of `first` from the first part."""
        device = self._counts.device
        chosen = torch.rand(count, 2, device=device) * self._counts
        in_first = torch.rand(count, device=device) < first
        return torch.where(in_first, chosen[:, 0], self._capacities[0] + chosen[:, 1]).long()


def train(config: dict, icons: Path, out: Path, seconds: float) -> None:
    """Writes the LoRA to `out`/lcm."""
    stage = config["lcm"]
    device = setup(config["seed"] + 4)
    shape = architecture(config)
    tokenizer = train_tokenizer(corpus(), config["tokens"])
    unet, plain, text = shape.unet(), shape.unet(), shape.text_encoder(tokenizer)
    load_models(out / "diffusion", {"unet": unet, "text": text})
    load_models(out / "diffusion", {"unet": plain})
    # the ends need more digits than bfloat16 has; the student's gradients more range than float16
    teacher_type = half(device, torch.float16)
    plain = plain.to(device, teacher_type, memory_format=torch.channels_last).requires_grad_(False)
    encoder = text.to(device).requires_grad_(False)
    tokens = torch.load(out / "tokens.pt", map_location=device, weights_only=True)
    log = Log(out / "losses.json", "lcm")

    alphas = scheduler().alphas_cumprod
    roots, sigmas = alphas.sqrt().to(device), (1 - alphas).sqrt().to(device)
    grid = [1000 // ORIGINAL_STEPS * (i + 1) - 1 for i in range(ORIGINAL_STEPS)]
    last = grid[-1]
    empty = encoder(tokenize(tokenizer, [""]).to(device).long())[0].to(teacher_type)
    teacher = Teacher(plain, empty, stage, alphas)
    size = (4, shape.image_size // 8, shape.image_size // 8)
    examples = Examples(stage["pools"], size, tokens.shape[1], device)
    host = torch.Generator().manual_seed(config["seed"] + 4)

    def integer(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=host))

    def prompts() -> tuple[torch.Tensor, torch.Tensor]:
        ids = tokens[torch.randint(len(tokens), (stage["solved"],), device=device)]
        return ids, encoder(ids.long())[0]

    def noised(clean: torch.Tensor, t: int) -> torch.Tensor:
        return roots[t] * clean + sigmas[t] * torch.randn_like(clean)

    def make(examples_of: Callable[[], None], share: float) -> int:
        """Makes examples for a share of the stage's time."""
        clock, made = Clock(share * seconds), 0
        while made == 0 or not clock.over:
            examples_of()
            if device == "cuda":
                torch.cuda.synchronize()
            clock.tick()
            made += stage["solved"]
        return made

    images: list[tuple[torch.Tensor, torch.Tensor]] = []

    @torch.no_grad()
    def from_noise() -> None:
        ids, embeddings = prompts()
        noise = torch.randn(len(ids), *size, device=device)
        ends = teacher.solve(noise, last, embeddings.to(teacher_type))
        examples.add(0, noise, last, ends, ids)
        images.append((ids, ends))

    @torch.no_grad()
    def from_images() -> None:
        ids, ends = images[integer(0, len(images))]
        t = grid[integer(0, len(grid) - 1)]
        noisy = noised(ends, t)
        examples.add(1, noisy, t, teacher.solve(noisy, t, encoder(ids.long())[0].to(teacher_type)), ids)

    print(f"from noise: {make(from_noise, stage['shares']['noise'])}", flush=True)
    print(f"from images: {make(from_images, stage['shares']['images'])}, of use {examples.filled}", flush=True)

    unet = unet.requires_grad_(False)
    layers = add_lora(unet, stage["rank"])
    unet = unet.to(device, memory_format=torch.channels_last)

    def draw(noisy: torch.Tensor, t: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """The consistency function, as LCMScheduler has it."""
        skip, out_ = (c[:, None, None, None] for c in boundary(t))
        root, sigma = roots[t][:, None, None, None], sigmas[t][:, None, None, None]
        x = noisy.contiguous(memory_format=torch.channels_last)
        clean = (noisy - sigma * unet(x, t, embeddings, return_dict=False)[0]) / root
        return out_ * clean + skip * noisy

    def loss() -> dict[str, torch.Tensor]:
        index = examples.draw(stage["batch"], stage["noiseShare"])
        noisy, ends, t = examples.noisy[index].float(), examples.ends[index].float(), examples.timesteps[index]
        with torch.no_grad():
            embeddings = encoder(examples.tokens[index].long())[0]
        difference = draw(noisy, t, embeddings) - ends
        width = stage["huber"]
        huber = ((difference**2 + width**2).sqrt() - width).mean((1, 2, 3))
        first = (t == last).float()
        return {
            "loss": huber.mean(),
            "from_noise": (huber * first).sum() / first.sum().clamp(min=1),
            "from_images": (huber * (1 - first)).sum() / (1 - first).sum().clamp(min=1),
        }

    @torch.no_grad()
    def from_own() -> None:
        ids, embeddings = prompts()

        def at(x: torch.Tensor, t: int) -> torch.Tensor:
            return torch.cat(
                [draw(a, torch.full((len(a),), t, device=device), e) for a, e in zip(x.split(256), embeddings.split(256))]
            )

        clean, step = at(torch.randn(len(ids), *size, device=device), last), len(grid) - 1
        # as four or eight steps would: again from somewhat less noise, none to two times
        for _ in range(integer(0, 3)):
            step = integer(max(1, step - 16), step)
            clean = at(noised(clean, grid[step]), grid[step])
            if step < 8:
                break
        t = grid[integer(0, max(1, step))]
        noisy = noised(clean, t)
        examples.add(1, noisy, t, teacher.solve(noisy, t, embeddings.to(teacher_type)), ids)

    trainer = Trainer(loss, [Group(parameters(layers), stage["rate"])], stage["ema"], 0.0)
    shares = stage["shares"]
    clock = Clock(seconds * (1 - shares["noise"] - shares["images"] - shares["own"]))
    trainer.run(clock, stage["warmup"], log, 100, until=shares["first"] * seconds)
    trainer.average(True)
    print(f"from its own: {make(from_own, shares['own'])}, of use {examples.filled}", flush=True)
    trainer.average(False)
    clock.skip()
    trainer.run(clock, stage["warmup"], log, 100)
    trainer.finish()
    save_tensors(out / "lcm", dict(lora_tensors(layers)), "pytorch_lora_weights")
    print(f"steps={trainer.steps} seconds={clock.elapsed:.1f}", flush=True)


def with_lora(unet: torch.nn.Module, directory: Path) -> torch.nn.Module:
    """The UNet with the LoRA of this stage fused in."""
    merge(unet, load_tensors(directory, "pytorch_lora_weights"))
    return unet
