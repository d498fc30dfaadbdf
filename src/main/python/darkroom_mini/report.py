"""`python -m darkroom_mini.report`: docs/quality.json as the tables of docs/quality.md, charts, and the contact sheet."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .evaluate import (
    CUTOFFS,
    PAIR_PROFILES,
    ROOT,
    SAME_GRAPH,
    SCHEDULERS,
    STEPS,
    STUDY_CUTOFF,
    STUDY_STEPS,
    pairs,
    pairs_folder,
    prompts,
)
from .markdown import insert

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SHEET_ROWS, SHEET_PAIRS = 8, 3
STUDY_ORDER = (
    "baseline",
    "compiled",
    "compiled-tiny",
    "euler-30",
    "euler-20",
    "dpm-20",
    "euler-20-cutoff",
    "dpm-20-cutoff",
    "final",
    "fast",
    "fast-8",
)
_COLORS = dict(zip(SCHEDULERS, ("tab:orange", "tab:blue")))


def percent(interval: list[float]) -> str:
    mean, low, high = (100 * v for v in interval)
    return f"{mean:.1f} ({low:.0f}–{high:.0f})"


def plus_minus(interval: list[float], digits: int) -> str:
    mean, low, high = interval
    return f"{mean:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def profile_tables(figures: dict) -> str:
    lines = [
        "| profile | UNet forwards | colour, % | object, seen pairs, % | object, held-out pairs, % | both, % | style, % |",
        "|---|---|---|---|---|---|---|",
    ]
    profiles = {name: figures["profiles"][name] for name in STUDY_ORDER if name in figures["profiles"]}
    for name, entry in profiles.items():
        a = entry["accuracy"]
        # where an image is wrong is not known of every measurement
        seen, held_out = (percent(a[side]["object"]) if side in a else "" for side in ("seen", "heldOut"))
        color, both, style = (percent(a["all"][k]) for k in ("color", "both", "style"))
        lines.append(f"| `{name}` | {entry['forwards']} | {color} | {seen} | {held_out} | {both} | {style} |")
    lines += ["", "| profile | PSNR, dB | SSIM | perceptual distance |", "|---|---|---|---|"]
    for name, entry in profiles.items():
        if name == "baseline":
            continue
        if name in SAME_GRAPH:
            lines.append(f"| `{name}` | the same images | 1 | 0 |")
            continue
        to = entry["toBaseline"]
        values = (plus_minus(to["psnr"], 1), plus_minus(to["ssim"], 3), plus_minus(to["distance"], 3))
        lines.append(f"| `{name}` | " + " | ".join(values) + " |")
    return "\n".join(lines)


def pair_table(figures: dict) -> str:
    lines = ["| profile | prompts | both objects, % | each object, % | colour, % |", "|---|---|---|---|---|"]
    for name in PAIR_PROFILES:
        entry = figures["profiles"].get(name, {}).get("pairs")
        if entry:
            cells = (percent(entry[k]) for k in ("objects", "each", "color"))
            lines.append(f"| `{name}` | {entry['prompts']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def few_steps_table(figures: dict) -> str:
    lines = [
        "| steps | colour, % | object, seen pairs, % | object, held-out pairs, % | both, % | style, % |",
        "|---|---|---|---|---|---|",
    ]
    for entry in figures["fewSteps"]:
        a = entry["accuracy"]
        cells = (a["all"]["color"], a["seen"]["object"], a["heldOut"]["object"], a["all"]["both"], a["all"]["style"])
        lines.append(f"| {entry['steps']} | " + " | ".join(map(percent, cells)) + " |")
    return "\n".join(lines)


def sweep_table(figures: dict) -> str:
    lines = [
        "| scheduler | steps | cutoff | UNet forwards | colour, % | object, % | both, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for e in sorted(figures["sweep"], key=lambda e: (e["scheduler"], e["steps"], e["cutoff"])):
        cells = (percent(e[k]) for k in ("color", "object", "both"))
        lines.append(
            f"| `{e['scheduler']}` | {e['steps']} | {e['cutoff']:g} | {e['forwards']} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def sweep_chart(figures: dict, path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    panels = (
        (f"cutoff varied, {STUDY_STEPS} steps", "cutoff", lambda e: e["steps"] == STUDY_STEPS, CUTOFFS),
        (f"steps varied, cutoff {STUDY_CUTOFF:g}", "steps", lambda e: e["cutoff"] == STUDY_CUTOFF, STEPS),
    )
    for axis, (title, key, chosen, order) in zip(axes, panels):
        for scheduler in SCHEDULERS:
            swept = {e[key]: e for e in figures["sweep"] if e["scheduler"] == scheduler and chosen(e)}
            points = [swept[v] for v in order if v in swept]
            if not points:
                continue
            mean, low, high = (np.array([100 * e["both"][i] for e in points]) for i in range(3))
            x = [e["forwards"] for e in points]
            axis.errorbar(x, mean, (mean - low, high - mean), marker="o", capsize=3, label=scheduler, c=_COLORS[scheduler])
            for e, y in zip(points, mean):
                axis.annotate(f"{e[key]:g}", (e["forwards"], y), textcoords="offset points", xytext=(5, 5), fontsize=8)
        axis.set(title=title, xlabel="UNet forwards an image")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("colour and object right, %")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def loss_chart(losses: list[dict], path: Path) -> None:
    panels = (
        ("vae", "pixel", "VAE: L1"),
        ("diffusion", "loss", "UNet and text encoder: weighted MSE"),
        ("decoders", "pixel", "decoder (and tiny decoder): L1"),
        ("lcm", "loss", "LoRA of few steps: Huber loss"),
        ("tiny", "pixel", "tiny decoder, on drawn latents: L1"),
        ("judge", "loss", "judge: cross-entropy"),
    )
    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 3.4))
    for axis, (stage, key, title) in zip(axes, panels):
        for k in (key, f"tiny_{key}"):
            points = [(e["step"], e[k]) for e in losses if e["stage"] == stage and e.get(k) is not None]
            points = [p for p in points if p[0] > 2]
            if points:
                axis.plot(*zip(*points), label=k)
        axis.set(title=title, xlabel="step", yscale="log")
        axis.grid(alpha=0.3, which="both")
    axes[2].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def contact_sheet(directory: Path, path: Path) -> None:
    """Rows: prompts, the last ones for two objects; columns: profiles that draw differently, all from the same seeds."""
    columns = [p for p in STUDY_ORDER if p not in SAME_GRAPH and (directory / p / f"{SHEET_ROWS - 1:03}.png").exists()]
    side, label, head = 144, 190, 22
    rows = [(p.text, "held-out pair" if p.held_out else "seen pair", "", i) for i, p in enumerate(prompts()[:SHEET_ROWS])]
    rows += [(p.text, "two objects", "pairs", i) for i, p in enumerate(pairs()[:SHEET_PAIRS])]
    sheet = Image.new("RGB", (label + len(columns) * (side + 4), head + len(rows) * (side + 4)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for c, profile in enumerate(columns):
        pen.text((label + c * (side + 4), 3), profile, "black", font)
    for r, (text, note, kind, index) in enumerate(rows):
        top = head + r * (side + 4)
        words, line, y = text.split(), "", top + 30
        for word in (*words, None):
            if word is None or pen.textlength(f"{line} {word}", font) > label - 12:
                pen.text((2, y), line, "black", font)
                line, y = "", y + 17
            line = f"{line} {word}".strip() if word else ""
        pen.text((2, y), note, "gray", font)
        for c, profile in enumerate(columns):
            file = directory / (pairs_folder(profile) if kind else profile) / f"{index:03}.png"
            if file.exists():
                sheet.paste(Image.open(file).resize((side, side), Image.Resampling.BOX), (label + c * (side + 4), top))
    sheet.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.report", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="what darkroom_mini.evaluate generated")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    docs = arguments.docs
    figures = json.loads((docs / "quality.json").read_text())
    page = docs / "quality.md"
    tables = {"profiles": profile_tables, "pairs": pair_table, "few-steps": few_steps_table, "sweep": sweep_table}
    page.write_text(insert(page.read_text(), **{name: table(figures) for name, table in tables.items()}))
    if figures["sweep"]:
        sweep_chart(figures, docs / "quality-sweep.png")
    loss_chart(json.loads((docs / "training-losses.json").read_text()), docs / "training-losses.png")
    contact_sheet(arguments.images, docs / "contact-sheet.png")


if __name__ == "__main__":
    main()
