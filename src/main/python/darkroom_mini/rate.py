"""Stage `rate`: how good a model in training is, drawn by diffusers on the device at hand. Figures come from `evaluate`.

A JSON line for each of some settings on standard output, and a contact sheet.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from . import evaluate, judge
from .latents import tokenize
from .sampling import decode, sample
from .tokenizer import train_tokenizer
from .train_lcm import with_lora
from .train_vae import save_grid
from .training import architecture, load_models, setup
from .vocabulary import corpus

SETTINGS: dict[str, tuple[str, int, float, float]] = {
    "final": ("dpmpp-2m", 20, 7.5, 0.4),
    "fast": ("lcm", 4, 1.0, 1.0),
    "fast-8": ("lcm", 8, 1.0, 1.0),
    "lcm-2": ("lcm", 2, 1.0, 1.0),
    "baseline": ("euler-ancestral", 30, 7.5, 1.0),
}
"""Scheduler, steps, guidance scale, and cutoff."""
SHEET = 8


@torch.no_grad()
def rate(config: dict, out: Path, prompts: int = 300) -> None:
    """Writes `out`/rate.jsonl and `out`/contact-sheet.jpg."""
    device = setup(config["seed"] + 5)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    # sampling asks for a few shapes, each once
    torch.backends.cudnn.benchmark = False
    shape = architecture(config)
    tokenizer = train_tokenizer(corpus(), config["tokens"])
    unet, text, vae, tiny = shape.unet(), shape.text_encoder(tokenizer), shape.vae(), shape.tiny_vae()
    extra = load_models(out / "diffusion", {"unet": unet, "text": text})
    few = shape.unet()
    load_models(out / "diffusion", {"unet": few})
    has_few = (out / "lcm").exists()
    if has_few:
        with_lora(few, out / "lcm")
    has_tiny = (out / "decoders").exists()
    load_models(out / ("decoders" if has_tiny else "vae"), {"vae": vae, "tiny": tiny})
    vae.register_to_config(scaling_factor=float(extra["scaling_factor"]))
    for model in (unet, few, text, vae, tiny):
        model.to(device)
    own = out / "judge"
    classifier = judge.load_judge(own if own.exists() else judge.COMMITTED).to(device)

    singles, doubles = evaluate.prompts()[:prompts], evaluate.pairs()[: prompts // 2]
    empty = text(tokenize(tokenizer, [""]).to(device).long())[0]

    def embed(texts: list[str]) -> torch.Tensor:
        return text(tokenize(tokenizer, texts).to(device).long())[0]

    def draw(name: str, embeddings: torch.Tensor) -> np.ndarray:
        """uint8 [N, H, W, 3]."""
        settings = SETTINGS[name]
        model = few if settings[0] == "lcm" else unet
        parts = [sample(model, part, empty, *settings, seed) for seed, part in enumerate(embeddings.split(150))]
        pixels = decode(vae if name == "baseline" or not has_tiny else tiny, torch.cat(parts))
        return pixels.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()

    asked = embed([p.text for p in singles]), embed([p.text for p in doubles])
    lines, sheet = [], []
    for name, (scheduler, *_) in SETTINGS.items():
        if scheduler == "lcm" and not has_few:
            continue
        one, two = (draw(name, embeddings) for embeddings in asked)
        line = {"setting": name, **measured(classifier, one, two, singles, doubles)}
        lines.append(json.dumps(line))
        print(lines[-1], flush=True)
        rows = np.concatenate((one[:SHEET], two[:SHEET]))
        sheet.append(torch.from_numpy(rows).permute(0, 3, 1, 2).float() / 127.5 - 1)
        (out / "rate.jsonl").write_text("\n".join(lines) + "\n")
        save_grid(out / "contact-sheet.jpg", torch.cat(sheet), len(rows))


def measured(
    classifier: torch.nn.Module,
    one: np.ndarray,
    two: np.ndarray,
    singles: list[evaluate.Prompt],
    doubles: list[evaluate.Pair],
) -> dict[str, float]:
    """Shares in percent of what is right."""

    def percent(right: np.ndarray) -> float:
        return round(100 * float(np.mean(right)), 1)

    figures = {
        "color": percent(judge.background(one) == [p.color for p in singles]),
        "pairColor": percent(judge.background(two) == [p.color for p in doubles]),
    }
    thing = judge.objects(classifier, one) == [p.object for p in singles]
    held_out = np.array([p.held_out for p in singles])
    named = np.array([p.style is not None for p in singles])
    style = judge.styles(classifier, one) == [p.style if p.style is not None else -1 for p in singles]
    both = judge.pairs(classifier, two) == np.array([p.objects for p in doubles])
    return figures | {
        "object": percent(thing),
        "heldOut": percent(thing[held_out]),
        "style": percent(style[named]),
        "pairs": percent(both.all(1)),
        "left": percent(both[:, 0]),
        "right": percent(both[:, 1]),
    }
